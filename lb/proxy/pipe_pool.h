// The pipes of a worker, made when they are first needed and kept. Few: two generations of all workers share
// what the kernel lets one user have in pipes, 64 MiB (pipe(7)), and a direction that finds none copies,
// which is slower and nothing worse. Owner: a worker; its thread. Outlives the relays.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "lb/proxy/pipe.h"
#include "lb/stats/counter.h"

namespace vipward {

// Where a lent pipe goes when it is not wanted any more.
struct PipeReturn {
  void operator()(Pipe* pipe) const noexcept;
};
using LentPipe = std::unique_ptr<Pipe, PipeReturn>;

class PipePool {
 public:
  static constexpr std::size_t kMost = 6;

  // `spliced_bytes` counts what they have passed on. `on_refused` once, when the kernel gives none (errno of
  // Pipe::make()).
  PipePool(Counter& spliced_bytes, std::function<void(int error)> on_refused);
  PipePool(const PipePool&) = delete;
  PipePool& operator=(const PipePool&) = delete;

  // An empty one; nothing if all are lent, or the kernel gives no more.
  LentPipe lend();
  // Pipe's.
  void count(std::size_t spliced_bytes) { spliced_bytes_.add(spliced_bytes); }

 private:
  friend struct PipeReturn;
  // One that comes back with bytes, of a session that was ended, is closed.
  void take_back(std::unique_ptr<Pipe> pipe);

  Counter& spliced_bytes_;
  std::function<void(int)> on_refused_;
  bool was_refused_ = false;
  std::vector<std::unique_ptr<Pipe>> idle_;
  std::size_t made_ = 0;  // lent ones too
};

}  // namespace vipward
