// Who is let in: limits, the allow list, nothing usable. A refusal is a reset, at once.
#include <doctest/doctest.h>

#include "tests/component/proxy/session_pair.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

TEST_CASE("beyond max_connections clients are reset; the log says so once, and once when it is over") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  service.max_connections = 3;
  ProxyUnderTest proxy(service);
  auto sessions = open_sessions(proxy, backend, 3);
  for (int i = 0; i < 5; ++i) CHECK(proxy.connect().wait_end() == End::Reset);
  CHECK(proxy.rejected(RejectReason::Limit) == 5);
  CHECK(proxy.accepted() == 8);
  CHECK(proxy.sessions() == 3);
  for (SessionPair& session : sessions) CHECK(works(session));
  REQUIRE(proxy.wait_logged("connection limit reached"));
  CHECK(proxy.logged("connection limit reached").at(0).ends_with("service=api connections=3"));

  sessions.clear();
  REQUIRE(proxy.wait_empty());
  SessionPair next = open_session(proxy, backend);
  CHECK(works(next));
  CHECK(proxy.wait_logged("below the connection limit again"));
  CHECK(proxy.count_logged("connection limit") == 2);
}

TEST_CASE("coming and going at the limit does not fill the log") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  service.max_connections = 20;
  ProxyUnderTest proxy(service);
  auto sessions = open_sessions(proxy, backend, 20);
  for (int i = 0; i < 10; ++i) {
    CHECK(proxy.connect().wait_end() == End::Reset);
    sessions.pop_back();
    REQUIRE(wait_until([&] { return proxy.sessions() == 19; }, kPatience));
    sessions.push_back(open_session(proxy, backend));
  }
  CHECK(proxy.rejected(RejectReason::Limit) == 10);
  CHECK(proxy.count_logged("connection limit") == 1);
}

TEST_CASE("without a max_connections of its own a service ends at what the descriptors allow") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}), {.capacity = 2});
  auto sessions = open_sessions(proxy, backend, 2);
  CHECK(proxy.connect().wait_end() == End::Reset);
  CHECK(proxy.rejected(RejectReason::Limit) == 1);
}

TEST_CASE("the capacity is shared by all services") {
  Backend backend;
  const ServiceConfig service = service_with({backend.address()});
  ProxyUnderTest proxy({service, service}, {.capacity = 1});
  SessionPair first = open_session(proxy, backend);
  CHECK(Peer::connect_to(proxy.address(1)).wait_end() == End::Reset);
  CHECK(works(first));
}

TEST_CASE("a client that `allow` does not name is reset, others are served") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  service.allow = {*Cidr::parse("10.0.0.0/8"), *Cidr::parse("fd00::/8")};
  {
    ProxyUnderTest proxy(service);
    CHECK(proxy.connect().wait_end() == End::Reset);
    CHECK(proxy.rejected(RejectReason::NotAllowed) == 1);
    CHECK(proxy.sessions() == 0);
    CHECK_FALSE(backend.is_called());
    CHECK(proxy.wait_logged("client refused service=api client=127.0.0.1:"));
    CHECK(proxy.logged("client refused").at(0).ends_with("reason=not_allowed"));
  }
  service.allow.push_back(*Cidr::parse("127.0.0.0/30"));
  ProxyUnderTest proxy(service);
  SessionPair pair = open_session(proxy, backend);
  CHECK(works(pair));
}

TEST_CASE("nothing usable: clients are reset before they have sent a byte") {
  Backend backend;
  ServiceConfig service = service_with({backend.address(), backend.address()});
  SUBCASE("every backend is drained") {
    ProxyUnderTest proxy(service);
    proxy.set_state(0, BackendState::Drained);
    proxy.set_state(1, BackendState::Drained);
    CHECK(proxy.connect().wait_end() == End::Reset);
    CHECK(proxy.rejected(RejectReason::NoBackend) == 1);
  }
  SUBCASE("none is ready, and the service refuses then") {
    service.when_none_ready = WhenNoneReady::Refuse;
    ProxyUnderTest proxy(service);
    proxy.set_state(0, BackendState::NotReady);
    CHECK(proxy.connect().wait_end() == End::Reset);
    CHECK(proxy.rejected(RejectReason::NoBackend) == 1);
    proxy.set_state(1, BackendState::Ready);
    SessionPair pair = open_session(proxy, backend);
    CHECK(works(pair));
  }
  CHECK_FALSE(backend.is_called());
}

TEST_CASE("none ready any more after a client was let in: refused once it has spoken") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  service.when_none_ready = WhenNoneReady::Refuse;
  ProxyUnderTest proxy(service);
  proxy.set_state(0, BackendState::Ready);
  Peer client = proxy.connect();
  REQUIRE(wait_until([&] { return proxy.sessions() == 1; }, kPatience));
  proxy.set_state(0, BackendState::NotReady);
  CHECK(client.send("hello"));
  CHECK(client.wait_end() == End::Reset);
  CHECK(proxy.wait_closed(EndReason::NoBackend));
}

TEST_CASE("stopping resets every client, those in the kernel's queue too, and says so") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  service.first_data_timeout = 60s;
  ProxyUnderTest proxy(service);
  auto sessions = open_sessions(proxy, backend, 10);
  Peer silent = proxy.connect();
  REQUIRE(wait_until([&] { return proxy.sessions() == 11; }, kPatience));
  std::vector<Peer> queued;
  proxy.run_inside([&] {
    // The worker is here and accepts nobody; what it does next is stop.
    for (int i = 0; i < 10; ++i) {
      queued.push_back(proxy.connect());
      queued.back().send("hello");
    }
  });
  proxy.stop();
  for (SessionPair& session : sessions) {
    CHECK(session.client.wait_end() == End::Reset);
    CHECK(session.backend.wait_end() == End::Reset);
  }
  CHECK(silent.wait_end() == End::Reset);
  for (Peer& client : queued) CHECK(client.wait_end() == End::Reset);
  CHECK(proxy.closed(EndReason::Stopping) >= 11);
  CHECK(proxy.sessions() == 0);
  CHECK(proxy.sessions_of(0) == 0);
  CHECK(proxy.connect().wait_end() == End::Reset);
  proxy.stop();  // once more is harmless
}

}  // namespace
}  // namespace vipward::test
