// A session goes to the next proxy in whatever state it is: every byte arrives once, in order, and so does
// every end.
#include <doctest/doctest.h>

#include "tests/component/handover/side.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// A proxy that serves, and the one that will take over.
struct Fixture {
  Listeners listeners;
  Backend backend;
  Side first{service_of({backend.address()})};
  Side second{service_of({backend.address()})};

  Fixture() { first.serve(listeners); }
  void hand_over() { test::hand_over(first, second, listeners); }
};

TEST_CASE("a session goes on at the successor, both ways") {
  Fixture f;
  Ends ends = open_session(f.listeners, f.backend);
  REQUIRE(works(ends));
  f.hand_over();
  CHECK(f.first.moved() == 1U);
  CHECK(f.second.inherited()->sessions == 1);
  CHECK(f.second.inherited()->longest_stall_us >= 0);
  CHECK(works(ends));
  CHECK(f.first.sessions() == 0);
  CHECK(f.first.sessions_of(0) == 0);
  CHECK(f.second.sessions() == 1);
  CHECK(f.second.sessions_of(0) == 1);
  // No end is counted where none was.
  CHECK(f.first.closed() == 0);
  ends.client.finish();
  CHECK(ends.backend.wait_end() == End::Eof);
  ends.backend.finish();
  CHECK(ends.client.wait_end() == End::Eof);
  CHECK(wait_until([&] { return f.second.closed(EndReason::ClientClosed) == 1; }, kPatience));
}

TEST_CASE("new clients are the successor's, who was queued meanwhile too") {
  Fixture f;
  Link link;
  f.first.hand_over(std::move(link.predecessor));
  std::vector<Peer> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(f.listeners.connect());
  f.second.take_over(std::move(link.successor), f.listeners);
  REQUIRE(f.first.wait_moved());
  for (Peer& client : clients) {
    REQUIRE(client.send("x"));
    Peer served = f.backend.accept();
    REQUIRE(served);
    CHECK(served.receive(1) == "x");
  }
}

TEST_CASE("a client that has said nothing yet is served by the successor") {
  Fixture f;
  Peer client = f.listeners.connect();
  REQUIRE(wait_until([&] { return f.first.sessions() == 1; }, kPatience));
  f.hand_over();
  CHECK_FALSE(f.backend.is_called());
  REQUIRE(client.send("hello"));
  Peer served = f.backend.accept();
  REQUIRE(served);
  CHECK(served.receive(5) == "hello");
}

TEST_CASE("first_data_timeout counts from the accept, whoever waits") {
  Listeners listeners;
  const Backend backend;
  ServiceConfig service = service_of({backend.address()});
  service.first_data_timeout = 300ms;
  Side first(service);
  Side second(service);
  first.serve(listeners);
  Peer client = listeners.connect();
  REQUIRE(wait_until([&] { return first.sessions() == 1; }, kPatience));
  hand_over(first, second, listeners);
  CHECK(client.wait_end() == End::Reset);
  CHECK(first.closed() + second.closed(EndReason::FirstDataTimeout) == 1);
}

TEST_CASE("a direction that has ended stays ended, the other one goes on") {
  Fixture f;
  Ends by_client = open_session(f.listeners, f.backend);
  by_client.client.finish();
  REQUIRE(by_client.backend.wait_end() == End::Eof);
  Ends by_backend = open_session(f.listeners, f.backend);
  by_backend.backend.finish();
  REQUIRE(by_backend.client.wait_end() == End::Eof);
  f.hand_over();
  REQUIRE(f.second.sessions() == 2);

  REQUIRE(by_client.backend.send("late answer"));
  CHECK(by_client.client.receive(11) == "late answer");
  by_client.backend.finish();
  CHECK(by_client.client.wait_end() == End::Eof);
  CHECK(wait_until([&] { return f.second.closed(EndReason::ClientClosed) == 1; }, kPatience));

  REQUIRE(by_backend.client.send("last words"));
  CHECK(by_backend.backend.receive(10) == "last words");
  by_backend.client.finish();
  CHECK(by_backend.backend.wait_end() == End::Eof);
  CHECK(wait_until([&] { return f.second.closed(EndReason::BackendClosed) == 1; }, kPatience));
}

// Sends a pattern until nobody takes more; how much that was.
std::uint64_t fill(Peer& peer, const Pattern& pattern) {
  const timeval at_once{.tv_sec = 0, .tv_usec = 200'000};
  setsockopt(peer.fd(), SOL_SOCKET, SO_SNDTIMEO, &at_once, sizeof at_once);
  std::uint64_t sent = 0;
  while (const std::size_t some = peer.send_some(pattern.at(sent, 64 * 1024))) sent += some;
  const timeval patient{.tv_sec = kPatience.count() / 1000, .tv_usec = 0};
  setsockopt(peer.fd(), SOL_SOCKET, SO_SNDTIMEO, &patient, sizeof patient);
  return sent;
}

TEST_CASE("bytes that nobody has taken yet arrive once, in order, each way, and then the end") {
  Fixture f;
  Ends ends = open_session(f.listeners, f.backend, "x", 4096);
  const Pattern up(1);
  const Pattern down(2);
  // Every buffer on the way is full, and what the proxy has read it could not pass on.
  const std::uint64_t sent_up = fill(ends.client, up);
  const std::uint64_t sent_down = fill(ends.backend, down);
  REQUIRE(sent_up > 64 * 1024);
  REQUIRE(sent_down > 64 * 1024);
  // The two directions were in bulk.
  REQUIRE(f.first.spliced_bytes() > 0);
  ends.client.finish();
  ends.backend.finish();
  for (int i = 0; i < 3; ++i) {
    f.hand_over();
    Side again(service_of({f.backend.address()}));
    hand_over(f.second, again, f.listeners);
    hand_over(again, f.first, f.listeners);
    REQUIRE(f.first.sessions() == 1);
  }
  CHECK(receive_pattern(ends.backend, up, sent_up) == sent_up);
  CHECK(ends.backend.wait_end() == End::Eof);
  CHECK(ends.backend.drained_bytes() == 0);
  CHECK(receive_pattern(ends.client, down, sent_down) == sent_down);
  CHECK(ends.client.wait_end() == End::Eof);
  CHECK(ends.client.drained_bytes() == 0);
}

TEST_CASE("a TLS hello that no backend has answered is told to another one by the successor") {
  Listeners listeners;
  Backend silent;
  Backend other;
  const ServiceConfig service = service_of({silent.address(), other.address()});
  Side first(service);
  Side second(service);
  first.set_state(0, BackendState::Ready);
  first.serve(listeners);
  std::string hello("\x16\x03\x01", 3);
  hello.resize(1700, 'h');
  Ends ends = open_session(listeners, silent, hello);
  hand_over(first, second, listeners);
  second.set_state(1, BackendState::Ready);
  ends.backend.reset();
  ends.backend = other.accept();
  REQUIRE(ends.backend);
  CHECK(ends.backend.receive(hello.size()) == hello);
  CHECK(works(ends));
}

TEST_CASE("backends are found by name, wherever they are in the successor's configuration") {
  Listeners listeners;
  Backend one;
  Backend two;
  ServiceConfig service = service_of({one.address(), two.address()});
  Side first(service);
  first.set_state(1, BackendState::Ready);
  std::swap(service.backends[0], service.backends[1]);
  Side second(service);
  first.serve(listeners);
  Ends ends = open_session(listeners, two);
  hand_over(first, second, listeners);
  CHECK(works(ends));
  CHECK(second.sessions_of(0) == 1);
  CHECK(second.sessions_of(1) == 0);
}

TEST_CASE("a session that is connecting is finished first, and handed over then") {
  Fixture f;
  f.backend.go_deaf();
  Peer client = f.listeners.connect();
  REQUIRE(client.send("x"));
  REQUIRE(wait_until([&] { return f.first.sessions_of(0) == 1; }, kPatience));
  Link link;
  f.second.take_over(std::move(link.successor), f.listeners);
  f.first.hand_over(std::move(link.predecessor));
  f.backend.hear_again();
  Ends ends{.client = std::move(client), .backend = f.backend.accept()};
  REQUIRE(ends.backend);
  CHECK(ends.backend.receive(1) == "x");
  REQUIRE(f.first.wait_moved());
  CHECK(f.first.moved() == 1U);
  CHECK(works(ends));
}

TEST_CASE("who comes by way of an address that is released meanwhile is reset by the successor") {
  Fixture f;
  Ends ends = open_session(f.listeners, f.backend);
  f.second.refuse_on({*IpAddress::parse("127.0.0.1")});
  f.hand_over();
  CHECK(ends.client.wait_end() == End::Reset);
  CHECK(ends.backend.wait_end() == End::Reset);
  CHECK(f.second.closed(EndReason::VipReleased) == 1);
}

TEST_CASE("a session whose backend the successor does not know is reset, the others go on") {
  Listeners listeners;
  Backend known;
  Backend unknown;
  Side first(service_of({known.address(), unknown.address()}));
  Side second(service_of({known.address()}));
  first.serve(listeners);
  first.set_state(1, BackendState::Ready);
  Ends lost = open_session(listeners, unknown);
  first.set_state(1, BackendState::Unknown);
  first.set_state(0, BackendState::Ready);
  Ends kept = open_session(listeners, known);
  Peer waiting = listeners.connect();
  REQUIRE(wait_until([&] { return first.sessions() == 3; }, kPatience));
  hand_over(first, second, listeners);
  CHECK(lost.client.wait_end() == End::Reset);
  CHECK(works(kept));
  REQUIRE(waiting.send("x"));
  CHECK(known.accept());
}

}  // namespace
}  // namespace vipward::test
