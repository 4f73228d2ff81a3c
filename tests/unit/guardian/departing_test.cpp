#include "lb/guardian/departing.h"

#include <doctest/doctest.h>

namespace vipward {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kNow{1000s};

Config with_backends(const std::vector<std::pair<std::string, std::string>>& backends) {
  Config config;
  ServiceConfig& service = config.services.emplace_back();
  service.name = "api";
  for (const auto& [name, address] : backends)
    service.backends.push_back({.name = name, .address = *SocketAddress::parse(address)});
  return config;
}

config::DepartingBackend removed(const std::string& name, const std::string& address) {
  return {
      .service = "api", .backend = name, .address = *SocketAddress::parse(address), .drain_timeout = 130s};
}

std::int64_t at(TimePoint time) {
  return std::chrono::nanoseconds(time.time_since_epoch()).count();
}

TEST_CASE("a removed backend departs after the drain time of its service") {
  const auto all = departing_after({}, {removed("a", "10.0.0.1:6443")}, with_backends({}), kNow);
  REQUIRE(all.size() == 1);
  CHECK(all.front().service == "api");
  CHECK(all.front().backend == "a");
  CHECK(all.front().address == "10.0.0.1:6443");
  CHECK(all.front().leaves_at_ns == at(kNow + 130s));
}

TEST_CASE("who departs already goes on departing by its own time, through further reloads") {
  const std::vector<channel::DepartingBackend> before{{"api", "a", "10.0.0.1:6443", at(kNow + 5s)}};
  const auto all = departing_after(before, {removed("b", "10.0.0.2:6443")}, with_backends({}), kNow);
  REQUIRE(all.size() == 2);
  CHECK(all[0].leaves_at_ns == at(kNow + 5s));
}

TEST_CASE("one that is named again, with the same address, departs no longer") {
  const std::vector<channel::DepartingBackend> before{{"api", "a", "10.0.0.1:6443", at(kNow + 5s)}};
  CHECK(departing_after(before, {}, with_backends({{"a", "10.0.0.1:6443"}}), kNow).empty());
  CHECK(departing_after(before, {}, with_backends({{"a", "10.0.0.9:6443"}}), kNow).size() == 1);
  CHECK(departing_after(before, {}, with_backends({{"b", "10.0.0.1:6443"}}), kNow).empty());
}

TEST_CASE("one whose time has long been over is forgotten, not one whose sessions are being closed") {
  const std::vector<channel::DepartingBackend> before{{"api", "a", "10.0.0.1:6443", at(kNow - 61s)},
                                                      {"api", "b", "10.0.0.2:6443", at(kNow - 2s)}};
  const auto all = departing_after(before, {}, with_backends({}), kNow);
  REQUIRE(all.size() == 1);
  CHECK(all.front().backend == "b");
}

}  // namespace
}  // namespace vipward
