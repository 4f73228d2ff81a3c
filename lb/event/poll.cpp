#include "lb/event/poll.h"

#include <utility>

namespace vipward {

Poll::Poll(Loop& loop, int fd, std::function<void(Ready)> on_ready)
    : on_ready_(std::make_shared<std::function<void(Ready)>>(std::move(on_ready))) {
  auto* raw = new uv_poll_t;
  if (const int status = uv_poll_init(loop.raw(), raw, fd); status < 0) {
    delete raw;
    require_uv(status, "uv_poll_init");
  }
  handle_.reset(raw);
  handle_->data = this;
}

void Poll::watch(Interest interest) {
  const int events = (interest.read ? UV_READABLE : 0) | (interest.write ? UV_WRITABLE : 0);
  if (events == 0) {
    uv_poll_stop(handle_.get());
    return;
  }
  require_uv(uv_poll_start(handle_.get(), events,
                           [](uv_poll_t* poll, int status, int ready) {
                             const auto keep = static_cast<Poll*>(poll->data)->on_ready_;
                             // POLLERR alone arrives as UV_EBADF, with the handle already stopped.
                             (*keep)({.readable = (ready & UV_READABLE) != 0,
                                      .writable = (ready & UV_WRITABLE) != 0,
                                      .failed = status < 0});
                           }),
             "uv_poll_start");
}

}  // namespace vipward
