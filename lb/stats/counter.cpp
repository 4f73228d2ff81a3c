#include "lb/stats/counter.h"

#include <numeric>

namespace vipward {

void HistogramSnapshot::merge(const HistogramSnapshot& other) {
  bounds = other.bounds;
  bucket_count = other.bucket_count;
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
  sum += other.sum;
}

std::uint64_t HistogramSnapshot::total() const {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

void Histogram::observe(std::chrono::nanoseconds duration) {
  const double seconds = std::chrono::duration<double>(duration).count();
  std::size_t bucket = 0;
  while (bucket < bucket_count_ && seconds > bounds_[bucket]) ++bucket;
  counts_[bucket].add();
  sum_.store(sum_.load(std::memory_order_relaxed) + seconds, std::memory_order_relaxed);
}

HistogramSnapshot Histogram::snapshot() const {
  HistogramSnapshot result;
  result.bounds = bounds_;
  result.bucket_count = bucket_count_;
  for (std::size_t i = 0; i < counts_.size(); ++i) result.counts[i] = counts_[i].value();
  result.sum = sum_.load(std::memory_order_relaxed);
  return result;
}

}  // namespace vipward
