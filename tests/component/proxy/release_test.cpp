// The VIP goes: its sessions are reset, all others are kept, and nobody gets in by way of it until it is
// back.
#include <doctest/doctest.h>

#include "tests/component/proxy/session_pair.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

const IpAddress kVip = *IpAddress::parse("127.0.0.77");
const IpAddress kOtherVip = *IpAddress::parse("127.0.0.78");

// A proxy that listens on every address of this host.
struct Bench {
  explicit Bench(const SocketAddress& backend_address, unsigned workers = 1)
      : proxy({service(backend_address)},
              {.workers = workers, .listen = "0.0.0.0:0", .listeners_per_worker = 4}) {}
  static ServiceConfig service(const SocketAddress& backend_address) {
    ServiceConfig service = service_with({backend_address});
    service.first_data_timeout = 60s;
    service.connect_timeout = 60s;
    service.connect_deadline = 60s;
    return service;
  }
  Peer connect_by(const IpAddress& address) const {
    return Peer::connect_to({address, proxy.address().port()});
  }
  SessionPair open_by(const IpAddress& address, Backend& backend) const {
    SessionPair pair{.client = connect_by(address), .backend = {}};
    REQUIRE(pair.client.send("x"));
    pair.backend = backend.accept();
    REQUIRE(pair.backend);
    REQUIRE(pair.backend.receive(1) == "x");
    return pair;
  }

  ProxyUnderTest proxy;
};

const IpAddress kOwn = *IpAddress::parse("127.0.0.1");

TEST_CASE("sessions that came by way of a released address are reset on both sides, all others are kept") {
  Backend backend;
  Bench bench(backend.address(), 2);
  std::vector<SessionPair> by_vip;
  std::vector<SessionPair> by_own;
  for (int i = 0; i < 20; ++i) {
    by_vip.push_back(bench.open_by(i % 2 == 0 ? kVip : kOtherVip, backend));
    by_own.push_back(bench.open_by(kOwn, backend));
  }
  CHECK(bench.proxy.reset_on({kVip, kOtherVip}) == 20);
  for (SessionPair& session : by_vip) {
    CHECK(session.client.wait_end() == End::Reset);
    CHECK(session.backend.wait_end() == End::Reset);
  }
  for (SessionPair& session : by_own) CHECK(works(session));
  CHECK(bench.proxy.closed(EndReason::VipReleased) == 20);
  CHECK(bench.proxy.closed() == 20);
  CHECK(bench.proxy.wait_logged("reason=vip_released", 20));
  CHECK(bench.proxy.reset_on({kVip, kOtherVip}) == 0);
}

TEST_CASE("clients that have sent nothing, or wait for their backend, are reset as well") {
  Backend deaf;
  deaf.go_deaf();
  Bench bench(deaf.address());
  Peer silent = bench.connect_by(kVip);
  Peer waiting = bench.connect_by(kVip);
  REQUIRE(waiting.send("hello"));
  Peer silent_by_own = bench.connect_by(kOwn);
  REQUIRE(
      wait_until([&] { return bench.proxy.sessions() == 3 && bench.proxy.sessions_of(0) == 1; }, kPatience));
  CHECK(bench.proxy.reset_on({kVip}) == 2);
  CHECK(silent.wait_end() == End::Reset);
  CHECK(waiting.wait_end() == End::Reset);
  CHECK(silent_by_own.is_silent());
  CHECK(bench.proxy.sessions() == 1);
}

TEST_CASE("while an address is not ours whoever comes by way of it is reset at once, and counted") {
  Backend backend;
  Bench bench(backend.address());
  bench.proxy.refuse_on({kVip});
  CHECK(bench.connect_by(kVip).wait_end() == End::Reset);
  CHECK(bench.proxy.rejected(RejectReason::VipReleased) == 1);
  CHECK(bench.proxy.wait_logged("reason=vip_released"));
  SessionPair by_own = bench.open_by(kOwn, backend);
  CHECK(works(by_own));
  bench.proxy.refuse_on({});
  SessionPair by_vip = bench.open_by(kVip, backend);
  CHECK(works(by_vip));
  CHECK(bench.proxy.rejected(RejectReason::VipReleased) == 1);
}

TEST_CASE("a worker gives signs of life while it has nothing to do") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  CHECK(wait_until([&] { return proxy.beats() >= 5; }, kPatience));
}

}  // namespace
}  // namespace vipward::test
