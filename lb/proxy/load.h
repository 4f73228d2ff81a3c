// How many sessions there are now, over all workers: what least_connections and the limits need. Every worker
// adds and takes away; the only proxy state that threads share, but for their mailboxes. Owner: the app.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>

namespace vipward {

struct ServiceLoad {
  explicit ServiceLoad(std::size_t backend_count) : backends(backend_count) {}

  std::atomic<std::uint32_t> sessions{0};
  std::deque<std::atomic<std::uint32_t>> backends;  // sessions that have or try to get this backend
};

struct ProxyLoad {
  // For services without a max_connections of their own: sessions the descriptor limit allows, all services
  // together.
  std::uint32_t capacity = 0;
  std::atomic<std::uint32_t> sessions{0};
  // That a predecessor has still to hand over: they have their descriptors reserved.
  std::atomic<std::uint32_t> expected{0};
  std::deque<ServiceLoad> services;

  std::uint32_t taken() const {
    return sessions.load(std::memory_order_relaxed) + expected.load(std::memory_order_relaxed);
  }
};

}  // namespace vipward
