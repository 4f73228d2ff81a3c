#include "lb/event/signal.h"

#include <utility>

namespace vipward {

SignalWatch::SignalWatch(Loop& loop, int signal_number, std::function<void()> on_signal)
    : on_signal_(std::move(on_signal)), handle_(new uv_signal_t) {
  require_uv(uv_signal_init(loop.raw(), handle_.get()), "uv_signal_init");
  handle_->data = this;
  require_uv(uv_signal_start(
                 handle_.get(),
                 [](uv_signal_t* signal, int) { static_cast<SignalWatch*>(signal->data)->on_signal_(); },
                 signal_number),
             "uv_signal_start");
}

}  // namespace vipward
