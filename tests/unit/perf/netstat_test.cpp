// What is read of /proc/net/netstat.
#include "perf/netstat.h"

#include <doctest/doctest.h>

namespace vipward::perf {
namespace {

constexpr const char* kText =
    "TcpExt: SyncookiesSent ListenOverflows ListenDrops\n"
    "TcpExt: 0 7 9\n"
    "IpExt: InNoRoutes ListenDrops\n"
    "IpExt: 3 18446744073709551615\n";

TEST_CASE("a counter is the number at the place of its name, in its own group") {
  CHECK(netstat_counter(kText, "TcpExt", "ListenDrops") == 9);
  CHECK(netstat_counter(kText, "TcpExt", "SyncookiesSent") == 0);
  CHECK(netstat_counter(kText, "IpExt", "ListenDrops") == 18446744073709551615U);
}

TEST_CASE("what the kernel does not count is not zero") {
  CHECK_FALSE(netstat_counter(kText, "TcpExt", "Listen").has_value());
  CHECK_FALSE(netstat_counter(kText, "MPTcpExt", "ListenDrops").has_value());
  CHECK_FALSE(netstat_counter("", "TcpExt", "ListenDrops").has_value());
}

TEST_CASE("a name without a number has none") {
  CHECK_FALSE(netstat_counter("TcpExt: A B\nTcpExt: 1\n", "TcpExt", "B").has_value());
  CHECK_FALSE(netstat_counter("TcpExt: A B\n", "TcpExt", "A").has_value());
}

}  // namespace
}  // namespace vipward::perf
