#include "lb/app/effective_services.h"

#include <doctest/doctest.h>

#include "tests/unit/app/two_services.h"

namespace vipward {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kLeaves{1000s};

TEST_CASE("without anything that departs they are the configured ones") {
  const EffectiveServices effective = effective_services(two_services(), {});
  CHECK(effective.services == two_services());
  CHECK(effective.configured_services == 2);
  CHECK(effective.departing.empty());
  CHECK(effective.is_configured({.service = 1, .backend = 1}));
  CHECK_FALSE(effective.is_configured({.service = 1, .backend = 2}));
  CHECK_FALSE(effective.is_configured({.service = 2, .backend = 0}));
}

TEST_CASE("a departing backend comes behind those of its service, which keep their positions") {
  const EffectiveServices effective =
      effective_services(two_services(), {{"join", "master-3", "10.0.0.13:9345", nanoseconds(kLeaves)},
                                          {"join", "master-4", "[fd00::4]:9345", nanoseconds(kLeaves + 1s)}});
  CHECK(effective.services[0] == two_services()[0]);
  REQUIRE(effective.services[1].backends.size() == 4);
  CHECK(effective.services[1].backends[1] == backend("master-2", "10.0.0.12:6443"));
  CHECK(effective.services[1].backends[2] == backend("master-3", "10.0.0.13:9345"));
  CHECK(effective.services[1].backends[3] == backend("master-4", "[fd00::4]:9345"));
  REQUIRE(effective.departing.size() == 2);
  CHECK(effective.departing[0].id == BackendId{.service = 1, .backend = 2});
  CHECK(effective.departing[0].leaves_at == kLeaves);
  CHECK(effective.departing[1].leaves_at == kLeaves + 1s);
  CHECK(effective.is_configured({.service = 1, .backend = 1}));
  CHECK_FALSE(effective.is_configured({.service = 1, .backend = 2}));
}

TEST_CASE("a departing service comes last, has the defaults, and is checked by connecting alone") {
  const EffectiveServices effective =
      effective_services(two_services(), {{"old", "a", "10.0.0.1:6443", nanoseconds(kLeaves)},
                                          {"old", "b", "10.0.0.2:6443", nanoseconds(kLeaves)}});
  REQUIRE(effective.services.size() == 3);
  CHECK(effective.configured_services == 2);
  const ServiceConfig& old = effective.services[2];
  CHECK(old.name == "old");
  CHECK(old.listen.empty());
  CHECK(old.health_check.protocol == CheckProtocol::Tcp);
  CHECK(old.backends.size() == 2);
  CHECK_FALSE(effective.is_configured({.service = 2, .backend = 0}));
  CHECK(effective.departing[1].id == BackendId{.service = 2, .backend = 1});
}

TEST_CASE("a backend whose name has another address now departs beside its namesake") {
  const EffectiveServices effective =
      effective_services(two_services(), {{"api", "master-1", "10.0.0.9:6443", nanoseconds(kLeaves)}});
  REQUIRE(effective.services[0].backends.size() == 3);
  CHECK(effective.services[0].backends[2] == backend("master-1", "10.0.0.9:6443"));
}

TEST_CASE("what has no address is left out") {
  const EffectiveServices effective = effective_services(two_services(), {{"old", "a", "nowhere", 0}});
  CHECK(effective.services == two_services());
  CHECK(effective.departing.empty());
}

}  // namespace
}  // namespace vipward
