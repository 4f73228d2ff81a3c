// Many in bulk, some that do not read, and small messages between them: each gets its turn.
#include <doctest/doctest.h>

#include "tests/component/proxy/proxy_under_test.h"
#include "tests/support/traffic.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kMiB = 1024 * 1024;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kBulk = 64 * kMiB;
#else
constexpr std::uint64_t kBulk = 512 * kMiB;
#endif

void check_that_nobody_starves(unsigned workers) {
  TrafficBackend backend(*SocketAddress::parse("127.0.0.1:0"));
  ProxyUnderTest proxy(service_with({backend.address()}), {.workers = workers});
  const std::size_t before = resident_bytes();
  // Each is left with bytes that its client does not take.
  TrafficClients stopped({.target = proxy.address(), .bulk = 20});
  REQUIRE(wait_until([&] { return stopped.tally().bytes > 20 * kMiB; }, kPatience));
  stopped.pause_bulk();

  TrafficClients running({.target = proxy.address(), .bulk = 50, .request = 10, .idle = 10});
  const std::uint64_t spliced = proxy.spliced_bytes();
  REQUIRE(wait_until([&] { return running.tally().bytes > kBulk; }, 3 * kPatience));
  // Of a bulk stream without a byte, or of a small request without its answer.
  const auto stall = running.take_longest_stall();
  MESSAGE("longest stall ", std::chrono::duration_cast<std::chrono::milliseconds>(stall).count(), " ms, ",
          (proxy.spliced_bytes() - spliced) / kMiB, " MiB spliced");
  CHECK(stall < 10s);
  CHECK(running.count_stuck(10s) == 0);
  CHECK(running.tally().ended() == 0);
  CHECK(running.tally().requests > 10);
  // 20 are stopped and 50 wait in turns: with all that a splice may move left over it would be 70 MiB.
  if (memory_is_measurable()) CHECK(resident_bytes() < before + 16 * kMiB);

  // Who stopped has lost nothing.
  stopped.resume_bulk();
  CHECK(stopped.count_stuck(20s) == 0);
  CHECK(stopped.tally().ended() == 0);
  CHECK(backend.corrupt() == 0);
}

TEST_CASE("50 bulk streams beside 20 stopped readers on one worker: none starves, nor does a small request") {
  check_that_nobody_starves(1);
}

TEST_CASE(
    "50 bulk streams beside 20 stopped readers on two workers: none starves, nor does a small request") {
  check_that_nobody_starves(2);
}

}  // namespace
}  // namespace vipward::test
