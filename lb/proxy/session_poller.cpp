#include "lb/proxy/session_poller.h"

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace vipward {
namespace {

Fd make_epoll() {
  Fd fd(epoll_create1(EPOLL_CLOEXEC));
  if (!fd) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  return fd;
}

}  // namespace

SessionPoller::SessionPoller(Loop& loop, std::function<std::uint64_t(SessionEnd&, SocketEvents)> on_events,
                             std::function<void()> on_batch_end)
    : loop_(loop),
      on_events_(std::move(on_events)),
      on_batch_end_(std::move(on_batch_end)),
      epoll_(make_epoll()) {
  loop_.set_outer({.add =
                       [this](int libuv) {
                         epoll_event event{};
                         event.events = EPOLLIN;
                         if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, libuv, &event) != 0)
                           throw std::system_error(errno, std::generic_category(), "epoll_ctl");
                       },
                   .turn = [this](int timeout_ms) { return turn(timeout_ms); }});
}

SessionPoller::~SessionPoller() {
  loop_.set_outer({});
}

bool SessionPoller::add(int fd, SessionEnd& end) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &end;
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void SessionPoller::remove(int fd) {
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

bool SessionPoller::turn(int timeout_ms) {
  std::array<epoll_event, kBatch> events;
  std::uint64_t cost = 0;
  bool is_libuvs = false;
  for (std::size_t seen = 0; seen < kTurnEvents && cost < kTurnBytes;) {
    const int count = epoll_wait(epoll_.get(), events.data(), events.size(), seen == 0 ? timeout_ms : 0);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.ptr == nullptr) {
        is_libuvs = true;
      } else {
        cost += dispatch(event);
      }
    }
    on_batch_end_();
    if (count < static_cast<int>(events.size())) break;
    is_libuvs = true;  // for all we know: it may stand behind the batch
    seen += events.size();
  }
  return is_libuvs;
}

std::uint64_t SessionPoller::dispatch(const epoll_event& event) {
  return on_events_(*static_cast<SessionEnd*>(event.data.ptr),
                    {.readable = (event.events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0,
                     .writable = (event.events & EPOLLOUT) != 0,
                     .ending = (event.events & (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0,
                     .failed = (event.events & (EPOLLERR | EPOLLHUP)) != 0});
}

}  // namespace vipward
