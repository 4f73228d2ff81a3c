// How many sessions the descriptors allow.
#include "lb/app/capacity.h"

#include <doctest/doctest.h>
#include <sched.h>

namespace vipward::test {
namespace {

Config small_config() {
  Config config;
  config.admin.listen = {*SocketAddress::parse("127.0.0.1:9643")};
  ServiceConfig& service = config.services.emplace_back();
  service.listen.push_back({.address = *SocketAddress::parse("127.0.0.1:6443"), .port = 6443});
  service.backends.resize(3);
  return config;
}

TEST_CASE("a session takes two descriptors, less a reserve for listeners, backends and the rest") {
  // 128, 64 for each place that HTTP is served at, 2 for each worker's pipe, 16 for each address, 2 for
  // each backend.
  CHECK(session_capacity(small_config(), 1, 10'000) == (10'000 - 128 - 2 * 64 - 2 - 16 - 3 * 2) / 2);
  CHECK(session_capacity(small_config(), 4, 10'000) == (10'000 - 128 - 2 * 64 - 8 - 16 - 3 * 2) / 2);
}

TEST_CASE("a port on the VIP takes the listeners of every VIP") {
  Config config = small_config();
  config.services[0].listen.push_back({.address = std::nullopt, .port = 6443});
  config.vip.emplace().addresses = {*Cidr::parse("10.0.0.100/24"), *Cidr::parse("10.0.0.101/24")};
  CHECK(session_capacity(config, 1, 10'000) == session_capacity(small_config(), 1, 10'000) - 16);
}

TEST_CASE("auto is a worker for each core that may be used, four at most; a number is that number") {
  CHECK(worker_count(std::nullopt, 1) == 1);
  CHECK(worker_count(std::nullopt, 2) == 2);
  CHECK(worker_count(std::nullopt, 4) == 4);
  CHECK(worker_count(std::nullopt, 64) == 4);
  CHECK(worker_count(8, 2) == 8);
  CHECK(worker_count(1, 64) == 1);
}

TEST_CASE("cores that this thread may not run on are none to be used") {
  cpu_set_t before;
  REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
  CHECK(usable_cores() == static_cast<unsigned>(CPU_COUNT(&before)));
  int first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
  CHECK(usable_cores() == 1);
  CHECK(sched_setaffinity(0, sizeof before, &before) == 0);
}

TEST_CASE("the reserve takes half at most, and the number stays one that fits") {
  CHECK(session_capacity(small_config(), 1, 100) == 25);
  CHECK(session_capacity(small_config(), 1, ~std::uint64_t{0}) == 10'000'000);
}

}  // namespace
}  // namespace vipward::test
