// The commit rule, step by step: one side is the product, the other one is played, and goes after each of its
// steps. Whatever that is, a session is served by exactly one side or is reset: none is stuck, none served
// twice.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <future>
#include <map>

#include "lb/net/socket.h"
#include "tests/component/handover/link_end.h"
#include "tests/component/handover/side.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// A proxy with sessions that hands over to a successor which is played.
struct Predecessor {
  Listeners listeners;
  Backend backend;
  Side side{service_of({backend.address()})};
  std::vector<Ends> sessions;
  std::optional<LinkEnd> successor;

  explicit Predecessor(std::size_t count) : Predecessor() {
    sessions = open_sessions(listeners, backend, count);
    hand_over();
  }
  // Still serves.
  Predecessor() { side.serve(listeners); }
  // Returns its end of the link, as the kernel shows it.
  Fd hand_over() {
    Link link;
    successor.emplace(std::move(link.successor));
    Fd same = link.predecessor.duplicate();
    side.hand_over(std::move(link.predecessor));
    return same;
  }
  void successor_goes() {
    successor->go();
    REQUIRE(side.wait_moved());
  }
  std::size_t working() {
    std::size_t count = 0;
    for (Ends& ends : sessions) count += works(ends) ? 1 : 0;
    return count;
  }
  std::size_t reset() {
    std::size_t count = 0;
    for (Ends& ends : sessions)
      count += ends.client.wait_end() == End::Reset && ends.backend.wait_end() == End::Reset ? 1 : 0;
    return count;
  }
};

TEST_CASE("a successor that goes before it has a batch leaves every session where it was") {
  for (const int heard : {0, 1, 2, 3, 4, 5}) {
    CAPTURE(heard);
    Predecessor p(3);
    for (int i = 0; i < heard; ++i) REQUIRE(p.successor->hear_predecessor());
    p.successor_goes();
    CHECK(p.side.moved() == 0U);
    CHECK(p.side.sessions() == 3);
    CHECK(p.working() == 3);
    CHECK(p.side.closed() == 0);
  }
}

TEST_CASE("a successor that holds a batch and goes without an answer leaves the sessions where they were") {
  Predecessor p(3);
  auto batch = p.successor->hear_until<handover::Sessions>();
  REQUIRE(batch);
  CHECK(batch->sessions.size() == 3);
  REQUIRE(p.successor->hear_until<handover::BatchEnd>());
  SUBCASE("its descriptors closed first") {
    batch.reset();
    p.successor_goes();
  }
  SUBCASE("its descriptors closed last") {
    p.successor_goes();
    batch.reset();
  }
  CHECK(p.working() == 3);
  CHECK(p.side.moved() == 0U);
}

TEST_CASE("a successor that has taken a batch and goes takes its sessions along") {
  Predecessor p(3);
  auto batch = p.successor->hear_until<handover::Sessions>();
  REQUIRE(batch);
  const auto end = p.successor->hear_until<handover::BatchEnd>();
  REQUIRE(end);
  REQUIRE(p.successor->say(handover::Taken{.batch = end->batch}));
  const auto yours = p.successor->hear_until<handover::Yours>();
  REQUIRE(yours);
  CHECK(yours->batch == batch->batch);
  // They are nobody else's: the predecessor has closed its own.
  batch.reset();
  CHECK(p.reset() == 3);
  p.successor_goes();
  CHECK(p.side.moved() == 3U);
  CHECK(p.side.sessions() == 0);
  CHECK(p.side.closed() == 0);
}

TEST_CASE("with nothing left the predecessor says so") {
  Predecessor p(1);
  const auto end = p.successor->hear_until<handover::BatchEnd>();
  REQUIRE(end);
  REQUIRE(p.successor->say(handover::Taken{.batch = end->batch}));
  REQUIRE(p.successor->hear_until<handover::Yours>());
  CHECK(p.successor->hear_until<handover::Counts>());
  CHECK(p.successor->hear_until<handover::End>());
  REQUIRE(p.side.wait_moved());
  CHECK(p.side.moved() == 1U);
}

TEST_CASE("a batch that found no room is served on, and tried again, smaller") {
  Predecessor p(60);
  const auto first = p.successor->hear_until<handover::Sessions>();
  REQUIRE(first);
  REQUIRE(p.successor->hear_until<handover::BatchEnd>());
  const std::size_t size = first->sessions.size();
  REQUIRE(size == 60);
  const TimePoint refused_at = Clock::now();
  REQUIRE(p.successor->say(handover::Refused{.batch = first->batch}));
  const auto second = p.successor->hear_until<handover::Sessions>();
  REQUIRE(second);
  CHECK(second->batch > first->batch);
  CHECK(second->sessions.size() == 40);  // of 80 that it would have taken
  CHECK(Clock::now() - refused_at >= 50ms);
  p.successor_goes();
  CHECK(p.working() == 60);
}

TEST_CASE("a successor that does not read for a while is told of two batches, the others are served on") {
  Predecessor p(200);
  const auto is_waiting = [&] { return p.side.sessions() <= 200 - 2 * handover::Sessions::kMost; };
  REQUIRE(wait_until(is_waiting, kPatience));
  CHECK_FALSE(wait_until([&] { return p.side.sessions() < 40; }, 200ms));
  std::vector<handover::SessionState> held;
  while (auto message = p.successor->hear_predecessor()) {
    if (auto* batch = std::get_if<handover::Sessions>(&*message))
      std::ranges::move(batch->sessions, std::back_inserter(held));
    if (auto* end = std::get_if<handover::BatchEnd>(&*message))
      REQUIRE(p.successor->say(handover::Taken{.batch = end->batch}));
    if (std::holds_alternative<handover::End>(*message)) break;
  }
  CHECK(held.size() == 200);
  REQUIRE(p.side.wait_moved());
  CHECK(p.side.moved() == 200U);
}

// A session whose backend has sent a pattern of its own, which the client does not read: a chunk is in the
// proxy's hands, the rest waits in front of it.
struct Stuffed {
  static constexpr std::uint64_t kSent = std::uint64_t{256} * 1024;
  Ends ends;
  Pattern pattern;
};

std::vector<Stuffed> stuffed_sessions(Predecessor& p, std::uint32_t count) {
  // What the proxy accepts has the listener's buffers (socket(7)): the kernel shall take no more than a bit
  // of a chunk.
  const int bytes = 4096;
  for (const Fd& listener : p.listeners.copies().sockets)
    setsockopt(listener.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  std::vector<Stuffed> all;
  for (std::uint32_t i = 0; i < count; ++i) {
    Stuffed& session =
        all.emplace_back(Stuffed{open_session(p.listeners, p.backend, "x", bytes), Pattern(i)});
    REQUIRE(send_pattern(session.ends.backend, session.pattern, Stuffed::kSent) == Stuffed::kSent);
    session.ends.backend.finish();
  }
  for (const Stuffed& session : all)
    REQUIRE(wait_until([&] { return !session.ends.client.is_silent(); }, kPatience));
  return all;
}

// What a successor holds of them, by the client's address, as it hears it.
struct Carried {
  handover::SessionState state;
  std::string to_client{};
};
std::map<std::string, Carried> hear_everything(LinkEnd& successor) {
  std::map<std::string, Carried> all;
  std::map<std::uint32_t, std::vector<std::string>> batches;
  while (auto message = successor.hear_predecessor()) {
    if (auto* batch = std::get_if<handover::Sessions>(&*message)) {
      for (handover::SessionState& session : batch->sessions) {
        std::string client = session.client_address;
        batches[batch->batch].push_back(client);
        all.emplace(std::move(client), Carried{.state = std::move(session)});
      }
    }
    if (auto* bytes = std::get_if<handover::Bytes>(&*message)) {
      CHECK(bytes->of == handover::BytesOf::ToClientUnsent);
      const auto* chunk = reinterpret_cast<const char*>(bytes->chunk.data());
      all.at(batches.at(bytes->batch).at(bytes->session)).to_client.append(chunk, bytes->chunk.size());
    }
    if (auto* end = std::get_if<handover::BatchEnd>(&*message))
      REQUIRE(successor.say(handover::Taken{.batch = end->batch}));
    if (std::holds_alternative<handover::End>(*message)) break;
  }
  return all;
}

// Goes on as a successor does: what was held first, then what the backend's socket has still got.
void relay_the_rest(const Carried& session, Peer& client, Peer& backend) {
  for (const Peer* peer : {&client, &backend}) fcntl(peer->fd(), F_SETFL, 0);  // blocking
  client.send(session.to_client);
  for (std::string text; !(text = backend.receive(std::size_t{64} * 1024)).empty();) client.send(text);
  client.finish();
}

TEST_CASE(
    "a link that is full in the middle of a batch: the others are served on, every byte arrives later") {
  Predecessor p;
  std::vector<Stuffed> sessions = stuffed_sessions(p, 60);
  {
    const Fd link = p.hand_over();
    const auto is_writable = [&] {
      pollfd entry{.fd = link.get(), .events = POLLOUT, .revents = 0};
      return poll(&entry, 1, 0) == 1 && (entry.revents & POLLOUT) != 0;
    };
    REQUIRE(wait_until([&] { return !is_writable(); }, kPatience));
    CHECK_FALSE(wait_until(is_writable, 200ms));
  }
  // In the middle of the first batch: the sessions that are not in it have not been touched.
  CHECK(p.side.sessions() > 0);
  std::map<std::string, Carried> carried = hear_everything(*p.successor);
  REQUIRE(carried.size() == sessions.size());
  REQUIRE(p.side.wait_moved());
  CHECK(p.side.moved() == sessions.size());
  std::size_t held = 0;
  for (Stuffed& session : sessions) {
    Carried& here = carried.at(session.ends.client.local().to_string());
    CHECK(here.to_client.size() == here.state.to_client.unsent_bytes);
    held += here.to_client.size();
    // Open until the client has everything: closing them resets (SO_LINGER).
    Peer client(std::move(here.state.client));
    Peer backend(std::move(here.state.backend_socket));
    const auto rest = std::async(std::launch::async, [&] { relay_the_rest(here, client, backend); });
    CHECK(receive_pattern(session.ends.client, session.pattern, Stuffed::kSent) == Stuffed::kSent);
    CHECK(session.ends.client.wait_end() == End::Eof);
    CHECK(session.ends.client.drained_bytes() == 0);
  }
  // Several times what the link takes.
  CHECK(held > std::size_t{1024} * 1024);
}

// A proxy that takes over from a predecessor which is played, and which has one session with ends of the
// test's.
struct Successor {
  Listeners listeners;
  Backend backend;
  Side side{service_of({backend.address()})};
  std::optional<LinkEnd> predecessor;
  // What the predecessor holds.
  Ends ends;
  Fd client;
  Fd backend_socket;

  Successor() {
    Backend front;
    ends.client = Peer::connect_to(front.address());
    client = taken(front);
    backend_socket = open_tcp(AF_INET);
    start_connect(backend_socket.get(), backend.address());
    ends.backend = backend.accept();
    Link link;
    predecessor.emplace(std::move(link.predecessor));
    side.take_over(std::move(link.successor), listeners);
  }
  // The proxy's side of a client, as an acceptor has it.
  static Fd taken(Backend& front) {
    SocketAddress peer;
    Fd socket;
    REQUIRE(wait_until([&] { return static_cast<bool>(socket = accept_from(front.listener(), peer)); },
                       kPatience));
    set_reset_on_close(socket.get());
    return socket;
  }
  handover::Backends known() const {
    handover::Backends message;
    message.backends.push_back({.service = 7,
                                .backend = 9,
                                .service_name = "api",
                                .name = "backend-0",
                                .address = backend.address().to_string(),
                                .memory = {}});
    return message;
  }
  handover::Sessions batch(std::uint32_t unsent_bytes = 3) const {
    handover::Sessions message{.batch = 1, .sessions = {}};
    handover::SessionState& session = message.sessions.emplace_back();
    session.service = 7;
    session.backend = 9;
    session.is_relaying = true;
    session.client = client.duplicate();
    session.backend_socket = backend_socket.duplicate();
    session.client_address = ends.client.local().to_string();
    session.own_address = ends.backend.remote().to_string();
    session.to_backend = {.bytes = 5, .unsent_bytes = unsent_bytes};
    const auto now = std::chrono::nanoseconds(Clock::now().time_since_epoch()).count();
    session.accepted_at_ns = session.established_at_ns = session.last_activity_at_ns = now;
    session.detached_at_ns = now;
    return message;
  }
  static handover::Bytes bytes() {
    return {.batch = 1,
            .session = 0,
            .of = handover::BytesOf::ToBackendUnsent,
            .chunk = {std::byte{'a'}, std::byte{'b'}, std::byte{'c'}}};
  }
  void say(int steps) {
    if (steps > 0) REQUIRE(predecessor->say(known()));
    if (steps > 1) REQUIRE(predecessor->say(handover::Known{}));
    if (steps > 2) REQUIRE(predecessor->say(batch()));
    if (steps > 3) REQUIRE(predecessor->say(bytes()));
    if (steps > 4) REQUIRE(predecessor->say(handover::BatchEnd{.batch = 1}));
    if (steps > 5) {
      const auto answer = predecessor->hear_successor();
      REQUIRE(answer);
      CHECK(std::get<handover::Taken>(*answer).batch == 1);
    }
    if (steps > 6) REQUIRE(predecessor->say(handover::Yours{.batch = 1}));
    if (steps > 7) REQUIRE(predecessor->say(handover::End{}));
  }
  void predecessor_dies() {
    predecessor->go();
    client.reset();
    backend_socket.reset();
    REQUIRE(side.wait_inherited());
  }
};

TEST_CASE("a predecessor that dies before Yours takes the session along, and the successor serves new ones") {
  for (int steps = 0; steps <= 6; ++steps) {
    CAPTURE(steps);
    Successor s;
    s.say(steps);
    s.predecessor_dies();
    CHECK(s.ends.client.wait_end() == End::Reset);
    CHECK(s.ends.backend.wait_end() == End::Reset);
    // Not a byte of it was passed on.
    CHECK(s.ends.backend.drained_bytes() == 0);
    CHECK(s.side.inherited()->sessions == 0);
    CHECK(s.side.sessions() == 0);
    Ends next = open_session(s.listeners, s.backend);
    CHECK(works(next));
  }
}

TEST_CASE("a predecessor that dies after Yours leaves the session with the successor") {
  for (int steps = 7; steps <= 8; ++steps) {
    CAPTURE(steps);
    Successor s;
    s.say(steps);
    s.predecessor_dies();
    CHECK(s.side.inherited()->sessions == 1);
    CHECK(s.ends.backend.receive(3) == "abc");
    CHECK(works(s.ends));
  }
}

TEST_CASE("nothing of a batch is touched before Yours") {
  Successor s;
  REQUIRE(s.ends.client.send("from the client"));
  s.say(6);
  CHECK(s.side.sessions() == 0);
  CHECK(s.ends.backend.is_silent());
  REQUIRE(s.predecessor->say(handover::Yours{.batch = 1}));
  CHECK(s.ends.backend.receive(18) == "abcfrom the client");
}

TEST_CASE("a batch that is not whole ends the link, and is the predecessor's still") {
  Successor s;
  REQUIRE(s.predecessor->say(s.known()));
  REQUIRE(s.predecessor->say(handover::Known{}));
  REQUIRE(s.predecessor->say(s.batch(4)));
  REQUIRE(s.predecessor->say(Successor::bytes()));
  REQUIRE(s.predecessor->say(handover::BatchEnd{.batch = 1}));
  REQUIRE(s.side.wait_inherited());
  CHECK(s.side.sessions() == 0);
  CHECK(s.ends.client.is_silent());
  CHECK(s.ends.backend.is_silent());
}

}  // namespace
}  // namespace vipward::test
