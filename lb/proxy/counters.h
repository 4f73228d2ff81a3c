// Everything a worker counts, in one place. Written by its worker, read by any thread, summed over workers by
// the app.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <deque>

#include "lb/proxy/reasons.h"
#include "lb/stats/counter.h"

namespace vipward {

struct BackendCounters {
  Counter sessions;  // established
  Counter connect_failures;
  Counter bytes_to_backend;
  Counter bytes_to_client;
  Histogram connect_duration{kConnectBounds};
};

struct ServiceCounters {
  explicit ServiceCounters(std::size_t backend_count) : backends(backend_count) {}

  Counter accepted;
  std::atomic<std::uint32_t> lost_listeners{
      0};  // now: that have not listened for a while, whatever ended that
  std::array<Counter, kEndReasons.size()> closed;
  std::array<Counter, kRejectReasons.size()> rejected;
  Histogram duration{kSessionBounds};
  std::deque<BackendCounters> backends;  // a deque: its elements never move
};

struct WorkerCounters {
  std::deque<ServiceCounters> services;
  Histogram loop_lag{kLagBounds};
  Counter spliced_bytes;              // of all that were relayed
  std::atomic<bool> accepting{true};  // false: paused, no descriptors left
};

}  // namespace vipward
