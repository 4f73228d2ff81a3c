// Both ends of many sessions, in a process of its own: clients of a proxy and its only possible backend.
// Test's main thread; make it before any proxy (see PeerProcess).
#pragma once

#include <sys/resource.h>

#include <vector>

#include "tests/component/proxy/peer_process.h"
#include "tests/component/proxy/session_pair.h"

namespace vipward::test {

class Crowd {
 public:
  Crowd() : process_(run), backend_(address_with(process_.pipe().get().value())) {}

  const SocketAddress& backend() const { return backend_; }
  // Before the first session.
  void use(const ProxyUnderTest& proxy) { process_.pipe().put(proxy.address().port()); }
  // Each returns how many sessions did well.
  std::uint64_t open(std::uint64_t more) {
    process_.pipe().put(kOpen);
    return process_.ask(more).value_or(0);
  }
  // A message each way on each of them.
  std::uint64_t ping() { return process_.ask(kPing).value_or(0); }
  // All of them, in order.
  std::uint64_t close() { return process_.ask(kClose).value_or(0); }
  // Waits until the client of each is reset: how many were.
  std::uint64_t count_resets() { return process_.ask(kResets).value_or(0); }

  // For a proxy of so many sessions in this process; false: the hard limit forbids them.
  static bool raise_descriptor_limit(std::uint64_t sessions) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max <= 2 * sessions + 200) return false;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
  }

 private:
  static constexpr std::uint64_t kOpen = 1;  // then: how many more
  static constexpr std::uint64_t kPing = 2;
  static constexpr std::uint64_t kClose = 3;
  static constexpr std::uint64_t kResets = 4;

  static SocketAddress address_with(std::uint64_t port) {
    return *SocketAddress::parse("127.0.0.1:" + std::to_string(port));
  }
  // Tells the backend's port and hears the proxy's; then commands, each answered with a number.
  static void run(NumberPipe& test) {
    Backend backend;
    test.put(backend.address().port());
    const auto port = test.get();
    if (!port) return;
    std::vector<SessionPair> sessions;
    while (const auto command = test.get()) {
      std::uint64_t well = 0;
      if (*command == kOpen) {
        well = open(address_with(*port), backend, test.get().value_or(0), sessions);
      } else if (*command == kPing) {
        for (SessionPair& session : sessions) well += works(session) ? 1 : 0;
      } else if (*command == kClose) {
        well = close(sessions);
      } else if (*command == kResets) {
        for (SessionPair& session : sessions) well += session.client.wait_end() == End::Reset ? 1 : 0;
      }
      test.put(well);
    }
  }
  static std::uint64_t open(const SocketAddress& proxy, Backend& backend, std::uint64_t count,
                            std::vector<SessionPair>& sessions) {
    std::uint64_t well = 0;
    for (; well < count; ++well) {
      SessionPair pair{.client = Peer::connect_to(proxy), .backend = {}};
      if (!pair.client.send("x")) break;
      pair.backend = backend.accept();
      if (!pair.backend || pair.backend.receive(1) != "x") break;
      sessions.push_back(std::move(pair));
    }
    return well;
  }
  static std::uint64_t close(std::vector<SessionPair>& sessions) {
    std::uint64_t well = 0;
    for (SessionPair& session : sessions) {
      session.client.finish();
      if (session.backend.wait_end() == End::Eof) ++well;
      session.backend.close();
      session.client.wait_end();
    }
    sessions.clear();
    return well;
  }

  PeerProcess process_;
  SocketAddress backend_;
};

}  // namespace vipward::test
