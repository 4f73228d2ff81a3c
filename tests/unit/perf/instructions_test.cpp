// What is made of callgrind's profile, and of the figure that was recorded.
#include "perf/callgrind/instructions.h"

#include <doctest/doctest.h>

namespace vipward::perf {
namespace {

TEST_CASE("the total is the number in the profile's own line") {
  CHECK(total_of("version: 1\nevents: Ir\nsummary: 12\n\nfn=(1) main\n16 400\n\ntotals: 4711\n") == 4711);
  CHECK(total_of("totals: 4711") == 4711);
}

TEST_CASE("a profile that was cut off has no total") {
  CHECK_FALSE(total_of("").has_value());
  CHECK_FALSE(total_of("events: Ir\nfn=(1) totals: 3\n").has_value());
  CHECK_FALSE(total_of("totals: \n").has_value());
  CHECK_FALSE(total_of("totals: 47 11\n").has_value());
}

TEST_CASE("what is recorded can be read again") {
  CHECK(parse_recorded(recorded_text(2514.6)) == 2515);
}

TEST_CASE("a record without a number is none") {
  CHECK_FALSE(parse_recorded("# vipward: 2514\n").has_value());
  CHECK_FALSE(parse_recorded("vipward: 0\n").has_value());
  CHECK_FALSE(parse_recorded("vipward: many\n").has_value());
}

TEST_CASE("a tenth more than recorded is let through, and nothing beyond") {
  CHECK(regression_of(900, 1000).empty());
  CHECK(regression_of(1100, 1000).empty());
  CHECK(
      regression_of(1121, 1000) ==
      "1121 instructions per exchange are 12.1 % above the recorded 1000 (at most 10 % are allowed). If they "
      "buy something: perf/instructions --record");
}

}  // namespace
}  // namespace vipward::perf
