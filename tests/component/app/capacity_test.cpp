// How many sessions the descriptors allow.
#include "lb/app/capacity.h"

#include <doctest/doctest.h>

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
  // 128, 64 for each place that HTTP is served at, 16 for each address, 2 for each backend.
  CHECK(session_capacity(small_config(), 10'000) == (10'000 - 128 - 2 * 64 - 16 - 3 * 2) / 2);
}

TEST_CASE("a port on the VIP takes the listeners of every VIP") {
  Config config = small_config();
  config.services[0].listen.push_back({.address = std::nullopt, .port = 6443});
  config.vip.emplace().addresses = {*Cidr::parse("10.0.0.100/24"), *Cidr::parse("10.0.0.101/24")};
  CHECK(session_capacity(config, 10'000) == session_capacity(small_config(), 10'000) - 16);
}

TEST_CASE("the reserve takes half at most, and the number stays one that fits") {
  CHECK(session_capacity(small_config(), 100) == 25);
  CHECK(session_capacity(small_config(), ~std::uint64_t{0}) == 10'000'000);
}

}  // namespace
}  // namespace vipward::test
