// What a failover does to the host that takes over: everybody comes back at once.
#include "tests/component/app/burst.h"

#include <doctest/doctest.h>

#include "tests/component/app/app_under_test.h"
#include "tests/support/descriptor_limit.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// With its shadows of memory and clocks the sanitizer takes ten times as long.
#if defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kClients = 1000;
#else
constexpr std::uint64_t kClients = 8000;
#endif

TEST_CASE(
    "two workers serve 8,000 clients that come at once, on slow TLS backends that stay alive meanwhile") {
  REQUIRE(set_descriptor_limit(20'000));
  Burst burst({300ms, 700ms, 1000ms});
  // No second chance for a check: one without an answer in time is a dead backend.
  AppUnderTest app(
      {.backends = burst.backends(),
       .workers = 2,
       .health_check = "{protocol: tcp, interval: 50ms, connect_timeout: 5s, rise: 1, fall: 1}"});
  REQUIRE(app.wait_backends(true));
  const Burst::Outcome outcome = burst.run(app.address(), kClients);
  MESSAGE("the last one was served after ", outcome.longest.count(), " ms");
  CHECK(outcome.served == kClients);
  CHECK(outcome.reset == 0);
  CHECK(outcome.longest >= 1000ms);
  CHECK(outcome.longest < 20s);
  // Least connections, whoever is slower: an equal share each, but for those that chose in one instant.
  for (const std::uint64_t answered : outcome.answered_by) {
    CHECK(answered > kClients / 3 - 50);
    CHECK(answered < kClients / 3 + 50);
  }
  CHECK(app.log().count("state=dead") == 0);
}

}  // namespace
}  // namespace vipward::test
