// A backend that is gone before its first byte: a TLS client is served by another one, with the same bytes.
// What else was said is never said twice.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

#include "tests/component/proxy/early_leaving.h"
#include "tests/component/proxy/session_pair.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

struct Fixture {
  Backend first;
  Backend second;
  ProxyUnderTest proxy;
  Peer client;
  std::string hello = hello_of(517);

  explicit Fixture(Millis connect_deadline = 20s) : proxy(make_service(connect_deadline)) {
    proxy.set_state(0, BackendState::Ready);  // the other one is its second choice
    client = proxy.connect();
  }
  ServiceConfig make_service(Millis connect_deadline) const {
    ServiceConfig service = service_with({first.address(), second.address()});
    service.connect_deadline = connect_deadline;
    return service;
  }
  // The first backend's session: it has read what the client says, and nothing has been answered.
  Peer open(std::string_view opening) {
    REQUIRE(client.send(opening));
    Peer served = first.accept();
    REQUIRE(served);
    REQUIRE(served.receive(opening.size()) == opening);
    return served;
  }
  Peer open() { return open(hello); }

  // The client is with the second backend, which has heard exactly `opening`; the first one's failure is
  // known.
  void check_served_by_second(std::string_view opening) {
    Peer served = second.accept();
    REQUIRE(served);
    CHECK(served.receive(opening.size()) == opening);
    CHECK(served.is_silent());
    CHECK(served.send("answer"));
    CHECK(client.receive(6) == "answer");
    CHECK(client.send("more"));
    CHECK(served.receive(4) == "more");
    CHECK(proxy.sessions() == 1);
    CHECK(proxy.sessions_of(0) == 0);
    CHECK(proxy.sessions_of(1) == 1);
    CHECK(proxy.backend(0).connect_failures == 1);
    CHECK(proxy.backend(1).connect_failures == 0);
    CHECK(proxy.backend(1).sessions == 1);
    CHECK(proxy.refusals() == std::vector<BackendId>{{.service = 0, .backend = 0}});
    client.finish();
    CHECK(served.wait_end() == End::Eof);
    served.close();
    CHECK(client.wait_end() == End::Eof);
    CHECK(proxy.wait_closed(EndReason::ClientClosed));
    CHECK(proxy.wait_empty());
    CHECK(proxy.closed() == 1);
    CHECK(proxy.sessions_of(1) == 0);
    CHECK(proxy.backend(1).bytes_to_backend == opening.size() + 4);
    CHECK(proxy.backend(1).bytes_to_client == 6);
    REQUIRE(proxy.wait_logged("session ended"));
    const std::string line = proxy.logged("session ended").at(0);
    CAPTURE(line);
    CHECK(line.find(" backend=backend-1 ") != std::string::npos);
    CHECK(line.find(" bytes_to_backend=" + std::to_string(opening.size() + 4) + " ") != std::string::npos);
    CHECK(line.ends_with(" attempts=2 reason=client_closed"));
  }
  // Nobody but the first backend has heard of the client.
  void check_said_once(End end, EndReason reason) {
    CAPTURE(to_string(reason));
    CHECK(client.wait_end() == end);
    client.close();
    CHECK(proxy.wait_closed(reason));
    CHECK(proxy.wait_empty());
    CHECK_FALSE(second.is_called());
    CHECK(proxy.closed() == 1);
    CHECK(proxy.sessions_of(0) == 0);
    CHECK(proxy.sessions_of(1) == 0);
    CHECK(proxy.backend(0).connect_failures == 0);
    CHECK(proxy.backend(1).sessions == 0);
    CHECK(proxy.refusals().empty());
    REQUIRE(proxy.wait_logged("session ended"));
    CHECK(proxy.logged("session ended").at(0).find(" attempts=1 ") != std::string::npos);
  }
};

TEST_CASE("a backend that is gone before its first byte: another one gets the same hello") {
  Fixture f;
  SUBCASE("it read the hello and reset") {
    Peer served = f.open();
    served.reset();
  }
  SUBCASE("it read the hello and closed") {
    Peer served = f.open();
    served.close();
  }
  SUBCASE("it read the hello, finished and reset in the same moment") {
    Peer served = f.open();
    f.proxy.run_inside([&] { leave(served, Leaving::FinThenReset); });
  }
  SUBCASE("it closed with the hello unread") {
    REQUIRE(f.client.send(f.hello));
    Peer served = f.first.accept();
    REQUIRE(wait_until([&] { return !served.is_silent(); }, kPatience));
    served.close();
  }
  SUBCASE("it read a part of the hello and closed") {
    REQUIRE(f.client.send(f.hello));
    Peer served = f.first.accept();
    REQUIRE(served.receive(5).size() == 5);
    served.close();
  }
  f.check_served_by_second(f.hello);
}

TEST_CASE("a hello in two pieces is said again as a whole") {
  Fixture f;
  const std::string_view hello = f.hello;
  Peer served = f.open(hello.substr(0, 1));
  SUBCASE("both had reached the first backend") {
    REQUIRE(f.client.send(hello.substr(1)));
    REQUIRE(served.receive(hello.size() - 1) == hello.substr(1));
    served.reset();
  }
  SUBCASE("the second came after the reset, in the same moment") {
    f.proxy.run_inside([&] {
      served.reset();
      f.client.send(hello.substr(1));
    });
  }
  SUBCASE("the second came before the reset, in the same moment") {
    f.proxy.run_inside([&] {
      f.client.send(hello.substr(1));
      served.reset();
    });
  }
  SUBCASE("the second came before the end and the reset, in the same moment") {
    f.proxy.run_inside([&] {
      f.client.send(hello.substr(1));
      leave(served, Leaving::FinThenReset);
    });
  }
  SUBCASE("the second came before the end, in the same moment") {
    f.proxy.run_inside([&] {
      f.client.send(hello.substr(1));
      served.finish();
    });
  }
  f.check_served_by_second(hello);
}

TEST_CASE("16 KiB of opening are kept, one byte more is not") {
  Fixture f;
  SUBCASE("16 KiB") {
    const std::string opening = hello_of(16 * 1024);
    f.open(opening).reset();
    f.check_served_by_second(opening);
  }
  SUBCASE("one byte more, reset") {
    f.open(hello_of(16 * 1024 + 1)).reset();
    f.check_said_once(End::Reset, EndReason::BackendReset);
  }
  SUBCASE("one byte more, in a second piece") {
    Peer served = f.open(hello_of(16 * 1024));
    REQUIRE(f.client.send("x"));
    REQUIRE(served.receive(1) == "x");
    served.reset();
    f.check_said_once(End::Reset, EndReason::BackendReset);
  }
  SUBCASE("one byte more, an end") {
    Peer served = f.open(hello_of(16 * 1024 + 1));
    served.finish();
    CHECK(f.client.wait_end() == End::Eof);
    f.client.finish();
    f.check_said_once(End::Eof, EndReason::BackendClosed);
  }
}

TEST_CASE("what is no TLS handshake is never said twice") {
  for (const std::string opening : {"GET / HTTP/1.1\r\n\r\n", "\x15\x03\x01", "\x17\x03\x03", "x\x16"}) {
    CAPTURE(opening);
    {
      Fixture f;
      f.open(opening).reset();
      f.check_said_once(End::Reset, EndReason::BackendReset);
    }
    // An end is passed on, and the client may still speak.
    Fixture f;
    Peer served = f.open(opening);
    served.finish();
    CHECK(f.client.wait_end() == End::Eof);
    CHECK(f.client.send("more"));
    CHECK(served.receive(4) == "more");
    f.client.finish();
    CHECK(served.wait_end() == End::Eof);
    f.check_said_once(End::Eof, EndReason::BackendClosed);
  }
}

TEST_CASE("a backend that has said a byte is the client's last") {
  Fixture f;
  Peer served = f.open();
  SUBCASE("the client has it, then a reset") {
    REQUIRE(served.send("S"));
    REQUIRE(f.client.receive(1) == "S");
    served.reset();
    f.check_said_once(End::Reset, EndReason::BackendReset);
  }
  SUBCASE("the client has it, then an end") {
    REQUIRE(served.send("S"));
    REQUIRE(f.client.receive(1) == "S");
    served.finish();
    CHECK(f.client.wait_end() == End::Eof);
    f.client.finish();
    f.check_said_once(End::Eof, EndReason::BackendClosed);
  }
  SUBCASE("with the reset, in the same moment") {
    f.proxy.run_inside([&] {
      served.send("S");
      served.reset();
    });
    CHECK(f.client.receive(1) == "S");
    f.check_said_once(End::Reset, EndReason::BackendReset);
  }
  SUBCASE("with the reset, and the proxy hears of the client first") {
    f.proxy.run_inside([&] {
      f.client.send("more");
      served.send("S");
      served.reset();
    });
    CHECK(f.client.receive(1) == "S");
    f.check_said_once(End::Reset, EndReason::BackendReset);
  }
}

TEST_CASE("a client that has finished its sending side: the end is passed on, nothing is said twice") {
  Fixture f;
  Peer served = f.open();
  SUBCASE("then the backend ends") {
    f.client.finish();
    CHECK(served.wait_end() == End::Eof);
    served.close();
    f.check_said_once(End::Eof, EndReason::ClientClosed);
  }
  SUBCASE("then the backend resets") {
    f.client.finish();
    CHECK(served.wait_end() == End::Eof);
    served.reset();
    f.check_said_once(End::Reset, EndReason::BackendReset);
  }
  SUBCASE("and the backend resets in the same moment") {
    f.proxy.run_inside([&] {
      f.client.finish();
      served.reset();
    });
    f.check_said_once(End::Reset, EndReason::BackendReset);
  }
}

TEST_CASE("a client that finishes while it is passed to another backend: that one gets hello and end") {
  Fixture f;
  Peer served = f.open();
  f.proxy.run_inside([&] {
    served.reset();
    f.client.finish();
  });
  Peer next = f.second.accept();
  REQUIRE(next);
  CHECK(next.receive(10'000) == f.hello);
  CHECK(next.wait_end() == End::Eof);
  CHECK(next.send("answer"));
  next.close();
  CHECK(f.client.receive(100) == "answer");
  CHECK(f.proxy.wait_closed(EndReason::ClientClosed));
}

TEST_CASE("a client that resets while it is passed to another backend is gone") {
  Fixture f;
  f.second.go_deaf();
  f.open().reset();
  REQUIRE(wait_until([&] { return f.proxy.sessions_of(1) == 1; }, kPatience));
  f.client.reset();
  CHECK(f.proxy.wait_closed(EndReason::ClientReset));
  CHECK(f.proxy.wait_empty());
  CHECK(f.proxy.sessions_of(1) == 0);
}

TEST_CASE("after connect.deadline nobody else is asked") {
  Fixture f(200ms);
  Peer served = f.open();
  std::this_thread::sleep_for(200ms);  // it counts from before that
  SUBCASE("a reset is a reset") {
    served.reset();
    f.check_said_once(End::Reset, EndReason::BackendReset);
  }
  SUBCASE("an end is an end") {
    served.finish();
    CHECK(f.client.wait_end() == End::Eof);
    f.client.finish();
    f.check_said_once(End::Eof, EndReason::BackendClosed);
  }
}

TEST_CASE("a hundred unanswered clients of a backend that dies are all served elsewhere, each once") {
  Fixture f;
  constexpr std::size_t kClients = 100;
  std::vector<SessionPair> sessions(kClients);
  const auto hello = [](std::size_t i) { return hello_of(300) + std::to_string(1000 + i); };
  for (std::size_t i = 0; i < kClients; ++i) {
    sessions[i].client = f.proxy.connect();
    REQUIRE(sessions[i].client.send(hello(i)));
    sessions[i].backend = f.first.accept();
    REQUIRE(sessions[i].backend.receive(304) == hello(i));
  }
  f.proxy.run_inside([&] {
    for (std::size_t i = 0; i < kClients; ++i) {
      // All orders of the two sides' events, and all kinds of leaving.
      if (i % 2 == 0) sessions[i].client.send("more");
      leave(sessions[i].backend, static_cast<Leaving>(i % 3));
      if (i % 2 == 1) sessions[i].client.send("more");
    }
  });
  std::vector<bool> came(kClients, false);
  for (std::size_t n = 0; n < kClients; ++n) {
    Peer served = f.second.accept();
    REQUIRE(served);
    const std::string heard = served.receive(308);
    REQUIRE(heard.size() == 308);
    const std::size_t i = std::stoul(heard.substr(300, 4)) - 1000;
    REQUIRE(i < kClients);
    CHECK_FALSE(came[i]);
    came[i] = true;
    CHECK(heard == hello(i) + "more");
    CHECK(served.send("answer"));
    CHECK(sessions[i].client.receive(6) == "answer");
    sessions[i].backend = std::move(served);
  }
  CHECK_FALSE(f.first.is_called());
  CHECK_FALSE(f.second.is_called());
  CHECK(f.proxy.sessions_of(0) == 0);
  CHECK(f.proxy.sessions_of(1) == kClients);
  CHECK(f.proxy.backend(0).connect_failures == kClients);
  CHECK(f.proxy.refusals().size() == kClients);
  sessions.clear();
  f.client.close();
  CHECK(f.proxy.wait_empty());
  CHECK(f.proxy.sessions_of(1) == 0);
}

TEST_CASE("a backend that resets each connection as soon as it has it costs no client") {
  Fixture f;
  for (int i = 0; i < 100; ++i) {
    Peer client = f.proxy.connect();
    REQUIRE(client.send(f.hello));
    Peer doomed = f.first.accept();
    REQUIRE(doomed);
    doomed.reset();  // now before, now after the hello has come
    Peer served = f.second.accept();
    REQUIRE(served);
    REQUIRE(served.receive(f.hello.size()) == f.hello);
    REQUIRE(served.send("answer"));
    REQUIRE(client.receive(6) == "answer");
  }
  f.client.close();
  CHECK(f.proxy.wait_empty());
  CHECK(f.proxy.backend(0).connect_failures == 100);
  CHECK(f.proxy.refusals().size() == 100);
}

}  // namespace
}  // namespace vipward::test
