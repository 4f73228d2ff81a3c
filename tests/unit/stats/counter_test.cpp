#include "lb/stats/counter.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace vipward {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a counter starts at zero and adds up") {
  Counter counter;
  CHECK(counter.value() == 0);
  counter.add();
  counter.add(41);
  CHECK(counter.value() == 42);
  counter.add(5'000'000'000);
  CHECK(counter.value() == 5'000'000'042);
}

TEST_CASE("a histogram's bucket holds what does not exceed its bound, the last one all the rest") {
  Histogram histogram(std::array<double, 3>{0.001, 0.01, 1});
  for (const auto duration : {0ns, 1'000'000ns, 1'000'001ns, 10'000'000ns, 999'999'999ns, 1'000'000'000ns}) {
    histogram.observe(duration);
  }
  histogram.observe(1'000'000'001ns);
  histogram.observe(24h);
  const HistogramSnapshot snapshot = histogram.snapshot();
  CHECK(snapshot.bucket_count == 3);
  CHECK(snapshot.bounds[0] == 0.001);
  CHECK(snapshot.bounds[2] == 1);
  CHECK(snapshot.counts[0] == 2);
  CHECK(snapshot.counts[1] == 2);
  CHECK(snapshot.counts[2] == 2);
  CHECK(snapshot.counts[3] == 2);
  CHECK(snapshot.total() == 8);
  CHECK(snapshot.sum == doctest::Approx(86400 + 1 + 1 + 1 + 0.001 + 0.001 + 0.01));
}

TEST_CASE("snapshots of several writers merge into one") {
  Histogram first(kConnectBounds);
  Histogram second(kConnectBounds);
  first.observe(200us);
  first.observe(10s);
  second.observe(200us);
  HistogramSnapshot sum;
  sum.merge(first.snapshot());
  sum.merge(second.snapshot());
  CHECK(sum.bucket_count == kConnectBounds.size());
  CHECK(sum.bounds[1] == 0.00025);
  CHECK(sum.counts[1] == 2);
  CHECK(sum.counts[kConnectBounds.size()] == 1);
  CHECK(sum.total() == 3);
  CHECK(sum.sum == doctest::Approx(10.0004));
}

TEST_CASE("an empty histogram says zero everywhere") {
  const HistogramSnapshot snapshot = Histogram(kLagBounds).snapshot();
  CHECK(snapshot.total() == 0);
  CHECK(snapshot.sum == 0);
}

TEST_CASE("the bounds of every histogram ascend") {
  const auto ascends = [](const auto& bounds) {
    return std::is_sorted(bounds.begin(), bounds.end()) &&
           std::adjacent_find(bounds.begin(), bounds.end()) == bounds.end() && bounds.front() > 0;
  };
  CHECK(ascends(kConnectBounds));
  CHECK(ascends(kSessionBounds));
  CHECK(ascends(kCheckBounds));
  CHECK(ascends(kLagBounds));
}

}  // namespace
}  // namespace vipward
