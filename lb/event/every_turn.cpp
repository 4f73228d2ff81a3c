#include "lb/event/every_turn.h"

#include <utility>

namespace vipward {

EveryTurn::EveryTurn(Loop& loop, std::function<void()> on_turn)
    : on_turn_(std::move(on_turn)), handle_(new uv_idle_t) {
  require_uv(uv_idle_init(loop.raw(), handle_.get()), "uv_idle_init");
  handle_->data = this;
}

void EveryTurn::start() {
  require_uv(
      uv_idle_start(handle_.get(), [](uv_idle_t* idle) { static_cast<EveryTurn*>(idle->data)->on_turn_(); }),
      "uv_idle_start");
}

void EveryTurn::stop() {
  uv_idle_stop(handle_.get());
}

}  // namespace vipward
