// The descriptors run out: accepting pauses, says so once, goes on by itself, and nobody is lost.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <optional>

#include "tests/component/proxy/peer_process.h"
#include "tests/component/proxy/session_pair.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// Leaves this process `free` more descriptors, until it goes.
class FewDescriptors {
 public:
  explicit FewDescriptors(std::size_t free) {
    getrlimit(RLIMIT_NOFILE, &before_);
    // The limit is on the number: descriptors are the lowest that are free.
    rlim_t limit = 0;
    for (std::size_t found = 0; found < free; ++limit) {
      if (fcntl(static_cast<int>(limit), F_GETFD) < 0) ++found;
    }
    set(limit);
  }
  ~FewDescriptors() { set(before_.rlim_cur); }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

 private:
  void set(rlim_t limit) const {
    const rlimit now{.rlim_cur = limit, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &now);
  }
  rlimit before_{};
};

// Clients and their backend in a process of its own: the proxy's descriptors are the ones that run out.
// Conversation: it tells the backend's port and hears the proxy's; then commands, each answered by a number.
struct Rush {
  static constexpr std::uint64_t kConnect = 1;  // then: how many; answers how many have connected
  static constexpr std::uint64_t kServe = 2;    // answers who has come; answers how many were answered so far
  static constexpr std::uint64_t kLeave = 3;    // ends the sessions that were answered; how many did well
  static constexpr std::uint64_t kLost = 4;     // how many of the others have heard anything at all

  std::vector<Peer> clients{};
  std::vector<std::pair<std::size_t, Peer>> answered{};
  std::uint64_t total_answered = 0;

  static void run(NumberPipe& test) {
    Backend backend;
    test.put(backend.address().port());
    const auto port = test.get();
    if (!port) return;
    const auto proxy = *SocketAddress::parse("127.0.0.1:" + std::to_string(*port));
    Rush rush;
    while (const auto command = test.get()) {
      switch (*command) {
        case kConnect:
          test.put(rush.connect(proxy, test.get().value_or(0)));
          break;
        case kServe:
          test.put(rush.serve(backend));
          break;
        case kLeave:
          test.put(rush.leave());
          break;
        default:
          test.put(rush.lost());
      }
    }
  }
  std::uint64_t connect(const SocketAddress& proxy, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      // Says its own number, so that the backend knows whom it serves.
      const std::string number = std::to_string(1000 + clients.size());
      clients.push_back(Peer::connect_to(proxy));
      clients.back().send(number);
    }
    return clients.size();
  }
  std::uint64_t serve(Backend& backend) {
    while (backend.is_called()) {
      Peer served = backend.accept();
      const std::string number = served.receive(4);
      if (number.size() != 4) continue;
      const std::size_t client = std::stoul(number) - 1000;
      if (!served.send(number) || clients[client].receive(4) != number) continue;
      answered.emplace_back(client, std::move(served));
      ++total_answered;
    }
    return total_answered;
  }
  std::uint64_t lost() const {
    const auto heard = [](const Peer& client) { return client && !client.is_silent(); };
    return static_cast<std::uint64_t>(std::count_if(clients.begin(), clients.end(), heard));
  }
  std::uint64_t leave() {
    std::uint64_t well = 0;
    for (auto& [client, served] : answered) {
      clients[client].finish();
      if (served.wait_end() == End::Eof) ++well;
      served.finish();
      if (clients[client].wait_end() != End::Eof) --well;
      clients[client].close();
    }
    answered.clear();
    return well;
  }
};

struct Fixture {
  PeerProcess rush{Rush::run};
  ProxyUnderTest proxy;

  explicit Fixture(unsigned workers = 1) : proxy(make_service(rush), {.workers = workers}) {
    rush.pipe().put(proxy.address().port());
  }
  static ServiceConfig make_service(PeerProcess& rush) {
    return service_with({*SocketAddress::parse("127.0.0.1:" + std::to_string(rush.pipe().get().value()))});
  }
  std::uint64_t connect(std::uint64_t count) {
    rush.pipe().put(Rush::kConnect);
    return rush.ask(count).value();
  }
  bool wait_answered(std::uint64_t count) {
    return wait_until([&] { return rush.ask(Rush::kServe).value() >= count; }, kPatience);
  }
};

TEST_CASE("sixty clients where twenty fit: the others wait in the kernel, all are served, said once") {
  Fixture f;
  {
    const FewDescriptors few(40);
    CHECK(f.connect(60) == 60);
    CHECK(f.wait_answered(20));
    CHECK(wait_until([&] { return !f.proxy.is_accepting(); }, kPatience));
    CHECK(f.proxy.sessions() == 20);
    CHECK(f.rush.ask(Rush::kLeave) == 20);
    CHECK(f.wait_answered(40));
    CHECK(f.rush.ask(Rush::kLeave) == 20);
    CHECK(f.wait_answered(60));
    CHECK(f.rush.ask(Rush::kLost) == 0);
    CHECK(f.rush.ask(Rush::kLeave) == 20);
    CHECK(f.proxy.wait_empty());
  }
  CHECK(f.proxy.wait_logged("accepting goes on"));
  CHECK(f.proxy.is_accepting());
  CHECK(f.proxy.closed(EndReason::ClientClosed) == 60);
  CHECK(f.proxy.closed() == 60);
  CHECK(f.proxy.count_logged("accepting pauses") == 1);
  CHECK(f.proxy.count_logged("accepting goes on") == 1);
  CHECK(f.proxy.logged("accepting pauses").at(0).find("error=\"Too many open files\"") != std::string::npos);
}

TEST_CASE("two workers without descriptors are one shortage") {
  Fixture f(2);
  {
    const FewDescriptors few(20);
    CHECK(f.connect(60) == 60);
    // Both of them, which are to find it out.
    CHECK(wait_until([&] { return f.proxy.accepting_workers() == 0; }, kPatience));
  }
  CHECK(f.wait_answered(60));
  CHECK(wait_until([&] { return f.proxy.accepting_workers() == 2; }, kPatience));
  CHECK(f.proxy.wait_logged("accepting goes on"));
  CHECK(f.proxy.count_logged("accepting pauses") == 1);
  CHECK(f.proxy.count_logged("accepting goes on") == 1);
}

TEST_CASE("when descriptors come back from elsewhere accepting goes on, without a session that ends") {
  Fixture f;
  std::optional<FewDescriptors> few(10);
  CHECK(f.connect(20) == 20);
  CHECK(f.wait_answered(5));
  CHECK(wait_until([&] { return !f.proxy.is_accepting(); }, kPatience));
  few.reset();
  CHECK(f.wait_answered(20));
  CHECK(f.proxy.wait_logged("accepting goes on"));
  CHECK(f.proxy.is_accepting());
  CHECK(f.proxy.closed() == 0);
}

TEST_CASE("the shortage is over without a next client: that is known and said") {
  std::uint64_t waiting = 1;
  SUBCASE("one waited") {}
  SUBCASE("as many as are accepted at once") {
    waiting = 16;
  }
  Fixture f;
  std::optional<FewDescriptors> few(3);
  CHECK(f.connect(1 + waiting) == 1 + waiting);
  CHECK(f.wait_answered(1));
  REQUIRE(f.proxy.wait_logged("accepting pauses"));
  // Nobody else comes.
  few.reset();
  CHECK(f.wait_answered(1 + waiting));
  CHECK(wait_until([&] { return f.proxy.is_accepting(); }, kPatience));
}

// A first attempt that hangs, so that the second one finds no descriptor.
struct SecondAttempt {
  Backend hole;
  Backend backend;
  ServiceConfig service = service_with({hole.address(), backend.address()});

  SecondAttempt() {
    hole.go_deaf();
    service.balance = BalanceAlgorithm::RoundRobin;
    service.connect_timeout = 300ms;
    service.connect_deadline = 1500ms;
  }
};

TEST_CASE("no descriptor for a next attempt: it is made as soon as there is one") {
  SecondAttempt s;
  ProxyUnderTest proxy(s.service);
  Peer client = proxy.connect();
  CHECK(client.send("hello"));
  REQUIRE(wait_until([&] { return proxy.sessions_of(0) == 1; }, kPatience));
  {
    const FewDescriptors few(0);
    REQUIRE(proxy.wait_logged("accepting pauses"));
  }
  Peer served = s.backend.accept();
  REQUIRE(served);
  CHECK(served.receive(5) == "hello");
  CHECK(proxy.backend(1).connect_failures == 0);
}

TEST_CASE("no descriptor for the next backend, and a late event of the last one's: it is counted once") {
  Backend first;
  Backend second;
  ServiceConfig service = service_with({first.address(), second.address()});
  service.balance = BalanceAlgorithm::RoundRobin;
  ProxyUnderTest proxy(service);
  Peer client = proxy.connect();
  // As a TLS hello begins: another backend may be told.
  REQUIRE(client.send("\x16 hello"));
  Peer served = first.accept();
  REQUIRE(served.receive(7) == "\x16 hello");
  std::optional<FewDescriptors> few;
  // What is read of the client meets a backend that is gone, whose own event stands behind it.
  proxy.run_inside([&] {
    client.send(" and more");
    served.reset();
    few.emplace(0);
  });
  REQUIRE(proxy.wait_logged("accepting pauses"));
  few.reset();
  served = second.accept();
  REQUIRE(served);
  CHECK(served.receive(16) == "\x16 hello and more");
  CHECK(proxy.backend(0).connect_failures == 1);
  CHECK(proxy.sessions_of(0) == 0);
  CHECK(proxy.sessions_of(1) == 1);
}

TEST_CASE("no descriptor for a next attempt until connect.deadline: the client is reset") {
  SecondAttempt s;
  ProxyUnderTest proxy(s.service);
  Peer client = proxy.connect();
  CHECK(client.send("hello"));
  REQUIRE(wait_until([&] { return proxy.sessions_of(0) == 1; }, kPatience));
  const FewDescriptors few(0);
  CHECK(client.wait_end() == End::Reset);
  CHECK(proxy.wait_closed(EndReason::NoDescriptors));
  CHECK(proxy.wait_empty());
  CHECK(proxy.sessions_of(0) == 0);
  CHECK(proxy.sessions_of(1) == 0);
  CHECK(proxy.count_logged("accepting pauses") == 1);
}

}  // namespace
}  // namespace vipward::test
