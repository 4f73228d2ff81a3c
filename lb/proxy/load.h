// What must hold over all workers: how many sessions there are now, for least_connections and the limits, and
// whose turn it is for round_robin. Every worker adds and takes away; the only proxy state that threads
// share, but for their mailboxes. Owner: the app.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>

#include "lb/balance/picker.h"

namespace vipward {

struct ServiceLoad {
  explicit ServiceLoad(std::size_t backend_count) : backends(backend_count), turns(backend_count) {}

  std::atomic<std::uint32_t> sessions{0};
  std::atomic<bool> is_limited{false};              // as the log has it
  std::deque<std::atomic<std::uint32_t>> backends;  // sessions that have or try to get this backend
  RoundRobinTurns turns;                            // by backend
};

struct ProxyLoad {
  // For services without a max_connections of their own: sessions the descriptor limit allows, all services
  // together.
  std::uint32_t capacity = 0;
  std::atomic<std::uint32_t> sessions{0};
  // That a predecessor has still to hand over: they have their descriptors reserved.
  std::atomic<std::uint32_t> expected{0};
  std::deque<ServiceLoad> services;

  // Held while one of these changes and the log says so, that its lines come in the order of what they say:
  // how many workers lack descriptors for new clients, ServiceLoad::is_limited.
  std::mutex transitions;
  std::uint32_t short_workers = 0;  // guarded by transitions

  std::uint32_t taken() const {
    return sessions.load(std::memory_order_relaxed) + expected.load(std::memory_order_relaxed);
  }
};

}  // namespace vipward
