// Thousands of idle sessions: what API traffic mostly is.
#include "tests/component/proxy/crowd.h"

#include <dirent.h>
#include <doctest/doctest.h>

#include <memory>

namespace vipward::test {
namespace {

std::size_t open_descriptors() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc/self/fd"), closedir);
  std::size_t count = 0;
  while (readdir(folder.get()) != nullptr) ++count;
  return count;
}

TEST_CASE("5,000 idle sessions cost little, all still work, and leave nothing behind") {
  constexpr std::uint64_t kSessions = 5000;
  REQUIRE_MESSAGE(Crowd::raise_descriptor_limit(kSessions), "a hard limit of 10,200 descriptors is needed");
  Crowd crowd;
  ServiceConfig service = service_with({crowd.backend()});
  service.idle_timeout = Millis{3'600'000};
  ProxyUnderTest proxy(service);
  crowd.use(proxy);
  REQUIRE(crowd.open(100) == 100);  // what is allocated once is there now
  REQUIRE(crowd.ping() == 100);
  const std::size_t descriptors = open_descriptors();
  const std::size_t before = resident_bytes();
  REQUIRE(crowd.open(kSessions - 100) == kSessions - 100);
  REQUIRE(crowd.ping() == kSessions);
  CHECK(proxy.sessions() == kSessions);
  CHECK(proxy.sessions_of(0) == kSessions);
  CHECK(open_descriptors() - descriptors == 2 * (kSessions - 100));
  if (memory_is_measurable()) {
    const std::size_t after = resident_bytes();
    const std::size_t per_session = after > before ? (after - before) / (kSessions - 100) : 0;
    MESSAGE("memory per idle session: ", per_session, " bytes");
    CHECK(per_session < 4096);
  }
  CHECK(crowd.ping() == kSessions);
  CHECK(crowd.close() == kSessions);
  CHECK(proxy.wait_empty());
  CHECK(proxy.sessions_of(0) == 0);
  CHECK(proxy.closed(EndReason::ClientClosed) == kSessions);
  CHECK(wait_until([&] { return open_descriptors() == descriptors - 200; }, kPatience));
}

}  // namespace
}  // namespace vipward::test
