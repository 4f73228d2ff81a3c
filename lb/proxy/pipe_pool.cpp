#include "lb/proxy/pipe_pool.h"

#include <cerrno>
#include <utility>

namespace vipward {

PipePool::PipePool(Counter& spliced_bytes, std::function<void(int error)> on_refused)
    : spliced_bytes_(spliced_bytes), on_refused_(std::move(on_refused)) {}

void PipeReturn::operator()(Pipe* pipe) const noexcept {
  pipe->pool().take_back(std::unique_ptr<Pipe>(pipe));
}

LentPipe PipePool::lend() {
  if (!idle_.empty()) {
    LentPipe pipe(idle_.back().release());
    idle_.pop_back();
    return pipe;
  }
  if (made_ == kMost) return nullptr;
  std::unique_ptr<Pipe> pipe = Pipe::make(*this);
  if (!pipe && !std::exchange(was_refused_, true)) on_refused_(errno);
  if (pipe) ++made_;
  return LentPipe(pipe.release());
}

void PipePool::take_back(std::unique_ptr<Pipe> pipe) {
  if (pipe->is_empty()) {
    idle_.push_back(std::move(pipe));
  } else {
    --made_;
  }
}

}  // namespace vipward
