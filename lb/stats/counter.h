// Numbers that one thread writes and any thread may read: relaxed atomics without a locked instruction.
// Owner: the part that counts (a worker, the health monitor). Readers sum over the writers when scraped.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace vipward {

// Only ever grows. One writing thread.
class Counter {
 public:
  void add(std::uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

inline constexpr std::size_t kMaxBuckets = 16;

// What a reader gets of one or several histograms of the same bounds. Counts are per bucket, not cumulative;
// the last one holds what exceeds every bound. Sum in seconds.
struct HistogramSnapshot {
  std::array<double, kMaxBuckets> bounds{};  // seconds, ascending; the first `bucket_count` are meant
  std::size_t bucket_count = 0;
  std::array<std::uint64_t, kMaxBuckets + 1> counts{};
  double sum = 0;

  void merge(const HistogramSnapshot& other);
  std::uint64_t total() const;
  bool operator==(const HistogramSnapshot&) const = default;
};

// Durations in fixed buckets. One writing thread.
class Histogram {
 public:
  // `bounds`: seconds, ascending, at most kMaxBuckets.
  template <std::size_t N>
  explicit Histogram(const std::array<double, N>& bounds) : bucket_count_(N) {
    static_assert(N <= kMaxBuckets);
    for (std::size_t i = 0; i < N; ++i) bounds_[i] = bounds[i];
  }
  void observe(std::chrono::nanoseconds duration);
  HistogramSnapshot snapshot() const;

 private:
  std::array<double, kMaxBuckets> bounds_{};
  std::size_t bucket_count_;
  std::array<Counter, kMaxBuckets + 1> counts_;
  std::atomic<double> sum_{0};
};

// Bounds in seconds, by what they measure.
inline constexpr std::array<double, 12> kConnectBounds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                                       0.01,   0.05,    0.25,   1,     2.5,    5};
inline constexpr std::array<double, 12> kSessionBounds{0.01, 0.1, 1,    5,    15,    60,
                                                       300,  900, 1800, 3600, 14400, 86400};
inline constexpr std::array<double, 12> kCheckBounds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                     0.05,   0.1,   0.5,    1,     2.5,  5};
inline constexpr std::array<double, 10> kLagBounds{0.0005, 0.001, 0.0025, 0.005, 0.01,
                                                   0.025,  0.05,  0.1,    0.25,  0.5};

}  // namespace vipward
