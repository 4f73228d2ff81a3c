#include "health/http_date.h"

#include <doctest/doctest.h>

namespace vipward {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::sys_seconds;
using WallTime = std::chrono::system_clock::time_point;

TEST_CASE("a Date header in the preferred form is read") {
  CHECK(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == sys_seconds(seconds(784111777)));
  CHECK(parse_http_date("Thu, 01 Jan 1970 00:00:00 GMT") == sys_seconds(seconds(0)));
  CHECK(parse_http_date("Thu, 29 Feb 2024 23:59:60 GMT") == sys_seconds(seconds(1709251200)));
  CHECK(parse_http_date("Fri, 31 Dec 9999 23:59:59 GMT") == sys_seconds(seconds(253402300799)));
}

TEST_CASE("what is not a date in the preferred form is none") {
  for (const char* text :
       {"", "now", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nix 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, -6 Nov 1994 08:49:37 GMT"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_http_date(text));
  }
}

TEST_CASE("clocks that may agree within the whole seconds of the header have no skew") {
  const sys_seconds date(seconds(1'000'000));
  const WallTime ours{date};
  CHECK(clock_skew_seconds(date, ours + milliseconds(990), ours + milliseconds(995)) == 0);
  CHECK(clock_skew_seconds(date, ours, ours) == 0);
  CHECK(clock_skew_seconds(date, ours - milliseconds(100), ours + seconds(3)) == 0);
}

TEST_CASE("a clock that is ahead gives a positive skew, one behind a negative") {
  const sys_seconds date(seconds(1'000'000));
  const WallTime ours{date};
  CHECK(clock_skew_seconds(date, ours - seconds(60), ours - seconds(60)) == doctest::Approx(60.5));
  CHECK(clock_skew_seconds(date, ours + seconds(60), ours + seconds(60)) == doctest::Approx(-59.5));
}

}  // namespace vipward
