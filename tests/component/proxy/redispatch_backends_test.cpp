// Backends that are gone before their first byte: who comes next, and what is counted of each.
#include <doctest/doctest.h>

#include <array>
#include <string>

#include "tests/component/proxy/early_leaving.h"
#include "tests/component/proxy/session_pair.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

TEST_CASE("every backend goes before its first byte: each had its turn once, the client is reset at once") {
  std::array<Backend, 3> backends;
  ServiceConfig service = service_with({backends[0].address(), backends[1].address(), backends[2].address()});
  service.balance = BalanceAlgorithm::RoundRobin;
  service.connect_deadline = 60s;
  ProxyUnderTest proxy(service);
  const std::string hello = hello_of(300);
  Leaving leaving = Leaving::Reset;
  SUBCASE("by reset") {
    leaving = Leaving::Reset;
  }
  SUBCASE("by an end") {
    leaving = Leaving::Fin;
  }
  const TimePoint start = Clock::now();
  Peer client = proxy.connect();
  REQUIRE(client.send(hello));
  for (Backend& backend : backends) {
    Peer served = backend.accept();
    REQUIRE(served);
    CHECK(served.receive(hello.size()) == hello);
    leave(served, leaving);
  }
  CHECK(client.wait_end() == End::Reset);
  CHECK(Clock::now() - start < 10s);
  CHECK(proxy.wait_closed(EndReason::NoBackend));
  CHECK(proxy.wait_empty());
  CHECK(proxy.closed() == 1);
  for (std::size_t i = 0; i < backends.size(); ++i) {
    CHECK_FALSE(backends[i].is_called());
    CHECK(proxy.backend(i).connect_failures == 1);
    CHECK(proxy.backend(i).bytes_to_client == 0);
    CHECK(proxy.sessions_of(i) == 0);
  }
  CHECK(proxy.refusals().size() == 3);
  REQUIRE(proxy.wait_logged("session ended"));
  const std::string line = proxy.logged("session ended").at(0);
  CAPTURE(line);
  CHECK(line.ends_with(" bytes_to_client=0 attempts=3 reason=no_backend error=\"Connection reset by peer\""));
}

TEST_CASE("the only backend is gone before its first byte: the client is reset") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  Peer client = proxy.connect();
  REQUIRE(client.send(hello_of(300)));
  Peer served = backend.accept();
  REQUIRE(served.receive(300).size() == 300);
  served.close();
  CHECK(client.wait_end() == End::Reset);
  CHECK(proxy.wait_closed(EndReason::NoBackend));
  CHECK(proxy.wait_empty());
  CHECK_FALSE(backend.is_called());
}

// The failed backend's own event is still in the batch when the next attempt is under way already.
TEST_CASE("a next backend that is a black hole costs connect.timeout and is no session") {
  std::array<Backend, 3> backends;
  ServiceConfig service = service_with({backends[0].address(), backends[1].address(), backends[2].address()});
  service.balance = BalanceAlgorithm::RoundRobin;
  service.connect_timeout = 200ms;
  backends[1].go_deaf();
  ProxyUnderTest proxy(service);
  const std::string hello = hello_of(300);
  Peer client = proxy.connect();
  REQUIRE(client.send(hello));
  Peer served = backends[0].accept();
  REQUIRE(served.receive(hello.size()) == hello);
  SUBCASE("the client's event came first") {
    proxy.run_inside([&] {
      client.send("more");
      served.reset();
    });
  }
  SUBCASE("the backend's event came first") {
    proxy.run_inside([&] {
      served.reset();
      client.send("more");
    });
  }
  Peer next = backends[2].accept();
  REQUIRE(next);
  CHECK(next.receive(hello.size() + 4) == hello + "more");
  CHECK(proxy.backend(1).sessions == 0);
  CHECK(proxy.backend(1).connect_failures == 1);
  CHECK(proxy.sessions_of(1) == 0);
  CHECK(proxy.sessions_of(2) == 1);
}

}  // namespace
}  // namespace vipward::test
