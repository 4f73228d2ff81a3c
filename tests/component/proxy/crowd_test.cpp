// Thousands of idle sessions: what API traffic mostly is.
#include <dirent.h>
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "tests/component/proxy/peer_process.h"
#include "tests/component/proxy/session_pair.h"

namespace vipward::test {
namespace {

// Both ends of many sessions, in a process of its own. Conversation: it tells the backend's port and hears
// the proxy's; then commands, each answered by how many sessions did well.
struct Crowd {
  static constexpr std::uint64_t kOpen = 1;   // then: how many more
  static constexpr std::uint64_t kPing = 2;   // a message each way on each of them
  static constexpr std::uint64_t kClose = 3;  // all of them, in order

  static void run(NumberPipe& test) {
    Backend backend;
    test.put(backend.address().port());
    const auto port = test.get();
    if (!port) return;
    const auto proxy = *SocketAddress::parse("127.0.0.1:" + std::to_string(*port));
    std::vector<SessionPair> sessions;
    while (const auto command = test.get()) {
      std::uint64_t well = 0;
      if (*command == kOpen) {
        const auto count = test.get().value_or(0);
        for (std::uint64_t i = 0; i < count; ++i) {
          SessionPair pair{.client = Peer::connect_to(proxy), .backend = {}};
          if (!pair.client.send("x")) break;
          pair.backend = backend.accept();
          if (!pair.backend || pair.backend.receive(1) != "x") break;
          sessions.push_back(std::move(pair));
          ++well;
        }
      } else if (*command == kPing) {
        for (SessionPair& session : sessions) well += works(session) ? 1 : 0;
      } else if (*command == kClose) {
        for (SessionPair& session : sessions) {
          session.client.finish();
          if (session.backend.wait_end() == End::Eof) ++well;
          session.backend.close();
          session.client.wait_end();
        }
        sessions.clear();
      }
      test.put(well);
    }
  }
};

std::size_t open_descriptors() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc/self/fd"), closedir);
  std::size_t count = 0;
  while (readdir(folder.get()) != nullptr) ++count;
  return count;
}

TEST_CASE("5,000 idle sessions cost little, all still work, and leave nothing behind") {
  rlimit limit{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = limit.rlim_max;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  constexpr std::uint64_t kSessions = 5000;
  REQUIRE_MESSAGE(limit.rlim_max > 2 * kSessions + 200, "a hard limit of 10,200 descriptors is needed");

  PeerProcess crowd(Crowd::run);
  const auto port = crowd.pipe().get();
  REQUIRE(port.has_value());
  ServiceConfig service = service_with({*SocketAddress::parse("127.0.0.1:" + std::to_string(port.value()))});
  service.idle_timeout = Millis{3'600'000};
  ProxyUnderTest proxy(service);
  crowd.pipe().put(proxy.address().port());
  const auto open = [&](std::uint64_t count) {
    crowd.pipe().put(Crowd::kOpen);
    return crowd.ask(count);
  };
  REQUIRE(open(100) == 100);  // what is allocated once is there now
  REQUIRE(crowd.ask(Crowd::kPing) == 100);
  const std::size_t descriptors = open_descriptors();
  const std::size_t before = resident_bytes();
  REQUIRE(open(kSessions - 100) == kSessions - 100);
  REQUIRE(crowd.ask(Crowd::kPing) == kSessions);
  CHECK(proxy.sessions() == kSessions);
  CHECK(proxy.sessions_of(0) == kSessions);
  CHECK(open_descriptors() - descriptors == 2 * (kSessions - 100));
  if (memory_is_measurable()) {
    const std::size_t after = resident_bytes();
    const std::size_t per_session = after > before ? (after - before) / (kSessions - 100) : 0;
    MESSAGE("memory per idle session: ", per_session, " bytes");
    CHECK(per_session < 4096);
  }
  CHECK(crowd.ask(Crowd::kPing) == kSessions);
  CHECK(crowd.ask(Crowd::kClose) == kSessions);
  CHECK(proxy.wait_empty());
  CHECK(proxy.sessions_of(0) == 0);
  CHECK(proxy.closed(EndReason::ClientClosed) == kSessions);
  CHECK(wait_until([&] { return open_descriptors() == descriptors - 200; }, kPatience));
}

}  // namespace
}  // namespace vipward::test
