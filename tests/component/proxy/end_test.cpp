// How sessions end, each way: what the other side sees, and what is counted.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include "tests/component/proxy/peer_process.h"
#include "tests/component/proxy/session_pair.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// Exactly one session has ended, for this reason, and left nothing behind.
void check_ended(const ProxyUnderTest& proxy, EndReason reason) {
  CAPTURE(to_string(reason));
  CHECK(proxy.wait_closed(reason));
  CHECK(proxy.wait_empty());
  CHECK(proxy.closed() == 1);
  CHECK(proxy.durations_measured() == 1);
  CHECK(proxy.sessions_of(0) == 0);
}

TEST_CASE("a client's half-close reaches the backend, whose answer still reaches the client") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  auto [client, served] = open_session(proxy, backend);
  CHECK(client.send("question"));
  client.finish();
  CHECK(served.receive(100) == "question");
  CHECK(served.wait_end() == End::Eof);
  CHECK(served.send("answer"));
  CHECK(client.receive(6) == "answer");
  CHECK(proxy.sessions() == 1);
  CHECK(served.send(" and more"));
  served.finish();
  CHECK(client.receive(100) == " and more");
  CHECK(client.wait_end() == End::Eof);
  check_ended(proxy, EndReason::ClientClosed);
  CHECK(proxy.backend(0).bytes_to_backend == 9);
  CHECK(proxy.backend(0).bytes_to_client == 15);
}

TEST_CASE("a backend's half-close reaches the client, who may still send") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  auto [client, served] = open_session(proxy, backend);
  CHECK(served.send("bye"));
  served.finish();
  CHECK(client.receive(100) == "bye");
  CHECK(client.wait_end() == End::Eof);
  CHECK(client.send("one more thing"));
  CHECK(served.receive(14) == "one more thing");
  client.finish();
  CHECK(served.wait_end() == End::Eof);
  check_ended(proxy, EndReason::BackendClosed);
}

TEST_CASE("both sides finish at once: both see an end, not a reset") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  auto [client, served] = open_session(proxy, backend);
  proxy.run_inside([&, &client = client, &served = served] {
    client.send("last");
    client.finish();
    served.send("words");
    served.finish();
  });
  CHECK(client.receive(100) == "words");
  CHECK(served.receive(100) == "last");
  CHECK(client.wait_end() == End::Eof);
  CHECK(served.wait_end() == End::Eof);
  CHECK(proxy.wait_empty());
  CHECK(proxy.closed(EndReason::ClientClosed) + proxy.closed(EndReason::BackendClosed) == 1);
}

TEST_CASE("a client's reset is a reset for the backend") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  auto [client, served] = open_session(proxy, backend);
  client.reset();
  CHECK(served.wait_end() == End::Reset);
  check_ended(proxy, EndReason::ClientReset);
}

TEST_CASE("a backend's reset is a reset for the client") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  auto [client, served] = open_session(proxy, backend);
  served.reset();
  CHECK(client.wait_end() == End::Reset);
  check_ended(proxy, EndReason::BackendReset);
}

TEST_CASE("a reset after a half-close is a reset too") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  auto [client, served] = open_session(proxy, backend);
  SUBCASE("of the client that finished") {
    client.finish();
    CHECK(served.wait_end() == End::Eof);
    client.reset();
    CHECK(proxy.wait_closed(EndReason::ClientReset));
    CHECK_FALSE((served.send("x") && served.send("x") && served.wait_end() == End::Eof && served.send("x")));
  }
  SUBCASE("of the backend while the client has finished") {
    client.finish();
    CHECK(served.wait_end() == End::Eof);
    served.reset();
    CHECK(client.wait_end() == End::Reset);
    CHECK(proxy.wait_closed(EndReason::BackendReset));
  }
  SUBCASE("of the backend that finished") {
    served.finish();
    CHECK(client.wait_end() == End::Eof);
    served.reset();
    CHECK(proxy.wait_closed(EndReason::BackendReset));
  }
  CHECK(proxy.wait_empty());
}

TEST_CASE("a reset while the other direction is full ends the session at once") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  auto [client, served] = open_session(proxy, backend, 16 * 1024);
  const Pattern pattern(1);
  // The client reads nothing; the backend sends until nothing is taken any more.
  const timeval brief{.tv_sec = 0, .tv_usec = 300'000};
  setsockopt(served.fd(), SOL_SOCKET, SO_SNDTIMEO, &brief, sizeof brief);
  CHECK(send_pattern(served, pattern, 1 << 30) > 0);
  SUBCASE("the reader resets") {
    client.reset();
    CHECK(served.wait_end() == End::Reset);
    check_ended(proxy, EndReason::ClientReset);
  }
  SUBCASE("the writer resets") {
    served.reset();
    check_ended(proxy, EndReason::BackendReset);
    CHECK(client.wait_end() == End::Reset);
  }
}

TEST_CASE("a server that answers and closes with bytes unread: the answer arrives, then the reset") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  auto [client, served] = open_session(proxy, backend);
  const std::string answer(40'000, 'a');
  CHECK(client.send("a request that is never read"));
  REQUIRE(wait_until([&, &served = served] { return !served.is_silent(); }, kPatience));
  CHECK(served.send(answer));
  served.close();  // unread bytes: the kernel sends RST
  CHECK(client.receive(answer.size()) == answer);
  CHECK(client.wait_end() == End::Reset);
  check_ended(proxy, EndReason::BackendReset);
}

// As a direct connection does: the kernel has the answer before the reset.
TEST_CASE("an early answer before a reset arrives, also if the proxy first notices on the client's behalf") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  const std::string answer(100'000, 'a');  // more than one read
  constexpr std::uint64_t kTimes = 150;
  std::uint64_t arrived = 0;
  for (std::uint64_t i = 0; i < kTimes; ++i) {
    auto [client, served] = open_session(proxy, backend);
    CHECK(client.send("a request that is never read"));
    REQUIRE(wait_until([&, &served = served] { return !served.is_silent(); }, kPatience, 0ms));
    // The worker sees all this at once, the client's event first: what it writes to the backend fails.
    proxy.run_inside([&, &client = client, &served = served] {
      client.send("and its rest");
      served.send(answer);
      served.close();
    });
    arrived += client.receive(answer.size()) == answer ? 1 : 0;
    CHECK(client.wait_end() == End::Reset);
  }
  CHECK(arrived == kTimes);
  CHECK(proxy.wait_closed(EndReason::BackendReset, kTimes));
  CHECK(proxy.wait_empty());
  CHECK(proxy.closed() == kTimes);
  CHECK(proxy.sessions_of(0) == 0);
  CHECK(proxy.backend(0).bytes_to_client == kTimes * answer.size());
}

TEST_CASE("what a client said before its reset still reaches the backend") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  auto [client, served] = open_session(proxy, backend);
  proxy.run_inside([&, &client = client, &served = served] {
    served.send("unwanted");
    client.send("last words");
    client.reset();
  });
  CHECK(served.receive(10) == "last words");
  CHECK(served.wait_end() == End::Reset);
  check_ended(proxy, EndReason::ClientReset);
  CHECK(proxy.backend(0).bytes_to_backend == 11);
}

TEST_CASE("urgent data neither stalls a session nor breaks the stream around it") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  auto [client, served] = open_session(proxy, backend);
  CHECK(client.send("before"));
  CHECK(::send(client.fd(), "!", 1, MSG_OOB) == 1);
  CHECK(client.send("after"));
  CHECK(served.receive(11) == "beforeafter");
  CHECK(served.send("ok"));
  CHECK(client.receive(2) == "ok");
  // Nothing but an urgent byte, then silence, then more.
  CHECK(::send(client.fd(), "!", 1, MSG_OOB) == 1);
  CHECK(served.send("still"));
  CHECK(client.receive(5) == "still");
  CHECK(client.send("here"));
  CHECK(served.receive(4) == "here");
}

TEST_CASE("an urgent byte as the first one waits for data, and is no end") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  Peer client = proxy.connect();
  CHECK(::send(client.fd(), "!", 1, MSG_OOB) == 1);
  CHECK(client.send("hello"));
  Peer served = backend.accept();
  REQUIRE(served);
  CHECK(served.receive(5) == "hello");
}

// A process that serves one session: tells its port, says when the session is there, and waits to be killed.
class DoomedBackend {
 public:
  explicit DoomedBackend(bool reads)
      : process_([reads](NumberPipe& test) {
          Backend backend;
          test.put(backend.address().port());
          Peer peer = backend.accept();
          peer.receive(1);
          test.put(1);
          const Pattern pattern(1);
          if (reads) {
            receive_pattern(peer, pattern, ~std::uint64_t{0});
          } else {
            send_pattern(peer, pattern, ~std::uint64_t{0});
          }
        }),
        address_(*SocketAddress::parse("127.0.0.1:" + std::to_string(process_.pipe().get().value()))) {}
  const SocketAddress& address() const { return address_; }
  bool is_serving() { return process_.pipe().get() == 1; }
  void kill() { process_.kill(); }

 private:
  PeerProcess process_;
  SocketAddress address_;
};

TEST_CASE("a backend process that is killed in the middle of a transfer ends the session at once") {
  // What is unread in its kernel makes the end a reset, otherwise it is an end of stream (tcp_close, Linux).
  DoomedBackend backend(false);
  ProxyUnderTest proxy(service_with({backend.address()}));
  Peer client = proxy.connect();
  REQUIRE(client.send("x"));
  REQUIRE(backend.is_serving());
  REQUIRE(client.receive(100'000).size() == 100'000);
  SUBCASE("with bytes it had not read: reset") {
    REQUIRE(client.send("never read"));
    REQUIRE(wait_until([&] { return proxy.backend(0).bytes_to_backend == 11; }, kPatience));
    backend.kill();
    CHECK(client.wait_end() == End::Reset);
    check_ended(proxy, EndReason::BackendReset);
  }
  SUBCASE("with everything read: an end") {
    backend.kill();
    CHECK(client.wait_end() == End::Eof);
    client.close();
    CHECK(proxy.wait_empty());
  }
}

TEST_CASE("a backend process that is killed while a client sends to it ends the session at once") {
  DoomedBackend backend(true);
  ProxyUnderTest proxy(service_with({backend.address()}));
  Peer client = proxy.connect();
  REQUIRE(client.send("x"));
  REQUIRE(backend.is_serving());
  const Pattern pattern(1);
  REQUIRE(send_pattern(client, pattern, 1'000'000) == 1'000'000);
  backend.kill();
  // The sender finds out: nothing takes its bytes.
  CHECK(send_pattern(client, pattern, 1 << 30) < (1 << 30));
  CHECK(client.wait_end() == End::Reset);
  check_ended(proxy, EndReason::BackendReset);
}

// Both ends of each session, hundreds of them, in the same batches of events: what ended in the middle of a
// batch is still pointed at by its rest.
TEST_CASE("many sessions whose two ends all go in the same moment end once each") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  constexpr std::size_t kSessions = 300;
  auto sessions = open_sessions(proxy, backend, kSessions);
  REQUIRE(wait_until([&] { return proxy.backend(0).sessions == kSessions; }, kPatience));
  SUBCASE("reset") {
    proxy.run_inside([&] {
      for (SessionPair& session : sessions) {
        session.client.reset();
        session.backend.reset();
      }
    });
    CHECK(proxy.wait_empty());
    CHECK(proxy.closed(EndReason::ClientReset) + proxy.closed(EndReason::BackendReset) == kSessions);
  }
  SUBCASE("finished, with bytes in flight") {
    proxy.run_inside([&] {
      for (SessionPair& session : sessions) {
        session.client.send("bye");
        session.client.finish();
        session.backend.send("bye");
        session.backend.finish();
      }
    });
    for (SessionPair& session : sessions) {
      CHECK(session.client.receive(9) == "bye");
      CHECK(session.backend.receive(9) == "bye");
    }
    CHECK(proxy.wait_empty());
    CHECK(proxy.closed(EndReason::ClientClosed) + proxy.closed(EndReason::BackendClosed) == kSessions);
  }
  SUBCASE("with more to relay than a turn allows") {
    const std::string bulk(600'000, 'b');
    proxy.run_inside([&] {
      for (SessionPair& session : sessions) {
        ::send(session.client.fd(), bulk.data(), bulk.size(), MSG_DONTWAIT);
        ::send(session.backend.fd(), bulk.data(), bulk.size(), MSG_DONTWAIT);
      }
    });
    for (SessionPair& session : sessions) {
      session.client.reset();
      session.backend.reset();
    }
    CHECK(proxy.wait_empty());
  }
  CHECK(proxy.closed() == kSessions);
  CHECK(proxy.sessions_of(0) == 0);
}

}  // namespace
}  // namespace vipward::test
