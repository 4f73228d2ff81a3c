// The random source, handed in by reference so that pure parts stay repeatable: tests give a seed. One thread
// each. Not for secrets: ties and jitter.
#pragma once

#include <cstdint>
#include <random>

namespace vipward {

class Random {
 public:
  // Seeded by the kernel.
  Random() : engine_(std::random_device{}()) {}
  explicit Random(std::uint32_t seed) : engine_(seed) {}

  // 0 to bound - 1; bound > 0.
  std::uint32_t below(std::uint32_t bound) {
    return std::uniform_int_distribution<std::uint32_t>(0, bound - 1)(engine_);
  }
  // 0 <= x < 1.
  double fraction() { return std::uniform_real_distribution<double>(0, 1)(engine_); }

 private:
  std::minstd_rand engine_;
};

}  // namespace vipward
