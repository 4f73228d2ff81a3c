// What perf says of many rounds.
#include "perf/ratios.h"

#include <doctest/doctest.h>

#include <numeric>
#include <vector>

#include "perf/figures.h"

namespace vipward::perf {
namespace {

std::vector<double> one_to(int n) {
  std::vector<double> values(static_cast<std::size_t>(n));
  std::iota(values.begin(), values.end(), 1);
  return values;
}

TEST_CASE("the median is the middle one, or what lies between the two in the middle") {
  const Spread odd = spread_of({3, 1, 2});
  CHECK(odd.least == 1);
  CHECK(odd.median == 2);
  CHECK(odd.most == 3);
  CHECK(spread_of({4, 1, 2, 10}).median == 3);
  CHECK(spread_of({7}).median == 7);
}

// Tables of the sign test: 6 of 6 are needed, of 15 the fourth from either end, of 20 the sixth.
TEST_CASE("the interval of a median is as narrow as 95 % allow") {
  CHECK(median_interval(one_to(6)).from == 1);
  CHECK(median_interval(one_to(6)).to == 6);
  CHECK(median_interval(one_to(15)).from == 4);
  CHECK(median_interval(one_to(15)).to == 12);
  CHECK(median_interval({20, 3, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}).from == 6);
  CHECK(median_interval(one_to(20)).to == 15);
}

TEST_CASE("of few values the interval is all of them") {
  CHECK(median_interval({5}).from == 5);
  CHECK(median_interval({5}).to == 5);
  CHECK(median_interval({3, 1, 2}).from == 1);
  CHECK(median_interval({3, 1, 2}).to == 3);
}

TEST_CASE("an imbalance is what the largest has more than the smallest, of their mean") {
  CHECK(imbalance_percent({105, 95}) == 10);
  CHECK(imbalance_percent({95, 105}) == 10);
  CHECK(imbalance_percent({50, 50}) == 0);
  CHECK(imbalance_percent({0, 8}) == 200);
  CHECK(imbalance_percent({0, 0}) == 0);
}

TEST_CASE("numbers have the digits that were asked for") {
  CHECK(number(12.345) == "12.3");
  CHECK(number(12.345, 0) == "12");
  CHECK(median_and_most({1, 3, 2}, 0) == "2 / **3**");
}

}  // namespace
}  // namespace vipward::perf
