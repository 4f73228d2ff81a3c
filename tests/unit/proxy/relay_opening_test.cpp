// What a relay keeps for another backend: the opening, said again after a rewind, and an end before the first
// byte.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <string>

#include "tests/unit/proxy/relay_rig.h"

namespace vipward {
namespace {

using test::as_text;
using test::read_all;
using test::text;
using test::write_some;
using Fixture = test::RelayRig;
using Status = Relay::Status;

TEST_CASE("the opening is what was read so far, kept only if asked for and up to its limit") {
  Fixture f;
  REQUIRE(write_some(f.source.theirs.get(), "before") == 6);
  f.advance();
  CHECK(f.relay.opening().empty());

  Fixture g;
  g.relay.keep_opening(10);
  REQUIRE(write_some(g.source.theirs.get(), "12345") == 5);
  g.advance();
  CHECK(as_text(g.relay.opening()) == "12345");
  REQUIRE(write_some(g.source.theirs.get(), "67890") == 5);
  g.advance();
  CHECK(as_text(g.relay.opening()) == "1234567890");
  SUBCASE("one byte more: none of it, and nothing again") {
    REQUIRE(write_some(g.source.theirs.get(), "x") == 1);
    g.advance();
    CHECK(g.relay.opening().empty());
    REQUIRE(write_some(g.source.theirs.get(), "y") == 1);
    g.advance();
    CHECK(g.relay.opening().empty());
    CHECK(read_all(g.sink.theirs.get()) == "1234567890xy");
  }
  SUBCASE("forgotten: for good") {
    g.relay.forget_opening();
    CHECK(g.relay.opening().empty());
    REQUIRE(write_some(g.source.theirs.get(), "y") == 1);
    g.advance();
    CHECK(g.relay.opening().empty());
  }
  SUBCASE("the end of the source makes it worthless") {
    shutdown(g.source.theirs.get(), SHUT_WR);
    CHECK(g.advance() == Status::Finished);
    CHECK(g.relay.opening().empty());
  }
}

TEST_CASE("after a rewind the next sink gets the opening first, then what comes, and so does the one after") {
  Fixture f;
  f.relay.keep_opening(100);
  REQUIRE(write_some(f.source.theirs.get(), "hel") == 3);
  f.advance();
  for (const std::string_view more : {"lo", "", " again"}) {
    f.relay.rewind();
    CHECK(f.relay.bytes() == 0);
    CHECK(f.relay.status() == Status::AwaitsSink);
    const std::string expected = as_text(f.relay.opening()) + std::string(more);
    REQUIRE(write_some(f.source.theirs.get(), more) == more.size());
    test::StreamPair sink;
    CHECK(f.advance_to(sink) == Status::AwaitsSource);
    CHECK(read_all(sink.theirs.get()) == expected);
    CHECK(f.relay.bytes() == expected.size());
    CHECK(as_text(f.relay.opening()) == expected);
  }
}

TEST_CASE("a rewind after a sink that failed forgets the failure, and what it took is said again") {
  Fixture f;
  f.relay.keep_opening(100);
  REQUIRE(write_some(f.source.theirs.get(), "hel") == 3);
  f.advance();
  f.sink.theirs.reset();
  REQUIRE(write_some(f.source.theirs.get(), "lo") == 2);
  REQUIRE(f.advance() == Status::SinkFailed);
  f.relay.rewind();
  CHECK(f.relay.error() == 0);
  test::StreamPair sink;
  CHECK(f.advance_to(sink) == Status::AwaitsSource);
  CHECK(read_all(sink.theirs.get()) == "hello");
}

TEST_CASE("a rewind while the sink is full: nothing is lost or doubled at the next one") {
  Fixture f;
  f.relay.keep_opening(1 << 20);
  std::string sent;
  while (f.relay.status() != Status::AwaitsSink) {
    const std::string more = text(2000);
    const std::size_t written = write_some(f.source.theirs.get(), more);
    sent += more.substr(0, written);
    f.advance();
  }
  f.relay.rewind();
  test::StreamPair sink;
  std::string received;
  for (int i = 0; i < 1000 && f.relay.status() != Status::AwaitsSource; ++i) {
    f.advance_to(sink);
    received += read_all(sink.theirs.get());
  }
  CHECK((received == sent));
}

TEST_CASE("an end before the first byte is held back if asked for, until it is let pass") {
  Fixture f;
  f.relay.hold_empty_end();
  CHECK(f.advance() == Status::AwaitsSource);
  CHECK(f.relay.is_untouched());
  shutdown(f.source.theirs.get(), SHUT_WR);
  CHECK(f.advance() == Status::EndedEmpty);
  CHECK(f.advance() == Status::EndedEmpty);
  CHECK(f.relay.is_untouched());
  bool ended = false;
  CHECK(read_all(f.sink.theirs.get(), &ended).empty());
  CHECK_FALSE(ended);
  f.relay.pass_empty_end();
  CHECK(f.advance() == Status::Finished);
  CHECK_FALSE(f.relay.is_untouched());
  read_all(f.sink.theirs.get(), &ended);
  CHECK(ended);
}

TEST_CASE("an end after a byte is never held back") {
  Fixture f;
  f.relay.hold_empty_end();
  REQUIRE(write_some(f.source.theirs.get(), "x") == 1);
  SUBCASE("that came long before") {
    CHECK(f.advance() == Status::AwaitsSource);
    CHECK_FALSE(f.relay.is_untouched());
  }
  SUBCASE("that comes with it") {}
  shutdown(f.source.theirs.get(), SHUT_WR);
  CHECK(f.advance() == Status::Finished);
}

}  // namespace
}  // namespace vipward
