#include "lb/proxy/relay.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <span>
#include <string>
#include <string_view>

#include "tests/unit/proxy/relay_rig.h"

namespace vipward {
namespace {

using test::read_all;
using test::text;
using test::write_some;
using Fixture = test::RelayRig;
using Status = Relay::Status;

TEST_CASE("what the source has is passed on, then the relay awaits more") {
  Fixture f;
  CHECK(f.advance() == Status::AwaitsSource);
  CHECK(f.relay.bytes() == 0);
  REQUIRE(write_some(f.source.theirs.get(), "hello") == 5);
  CHECK(f.advance() == Status::AwaitsSource);
  CHECK(read_all(f.sink.theirs.get()) == "hello");
  CHECK(f.relay.bytes() == 5);
  CHECK(f.relay.unsent().empty());
}

TEST_CASE("more than the buffer holds goes through in several rounds, in order") {
  Fixture f;
  const std::string sent = text(1 << 20);
  std::string received;
  std::size_t offset = 0;
  while (received.size() < sent.size()) {
    offset += write_some(f.source.theirs.get(), std::string_view(sent).substr(offset));
    const Status status = f.advance();
    REQUIRE((status == Status::AwaitsSource || status == Status::AwaitsSink));
    const std::string more = read_all(f.sink.theirs.get());
    REQUIRE((!more.empty() || status == Status::AwaitsSource));
    received += more;
  }
  CHECK((received == sent));
  CHECK(f.relay.bytes() == sent.size());
}

TEST_CASE("while the sink is full nothing more is read, at most one buffer is kept") {
  Fixture f;
  const std::string sent = text(1 << 20);
  std::size_t offset = 0;
  for (int i = 0; i < 100; ++i) {
    offset += write_some(f.source.theirs.get(), std::string_view(sent).substr(offset));
    if (f.advance() == Status::AwaitsSink) break;
  }
  REQUIRE(f.relay.status() == Status::AwaitsSink);
  CHECK(f.relay.unsent().size() > 0);
  CHECK(f.relay.unsent().size() <= f.buffer.size());

  // Again and again: still the same bytes wait, and the source fills up.
  const std::size_t unsent = f.relay.unsent().size();
  const std::uint64_t passed = f.relay.bytes();
  offset += write_some(f.source.theirs.get(), std::string_view(sent).substr(offset));
  for (int i = 0; i < 10; ++i) CHECK(f.advance() == Status::AwaitsSink);
  CHECK(f.relay.unsent().size() == unsent);
  CHECK(f.relay.bytes() == passed);
  CHECK(write_some(f.source.theirs.get(), "x") == 0);

  // The sink is read: everything arrives, and the memory is gone.
  std::string received;
  for (int i = 0; i < 1000 && received.size() < offset; ++i) {
    received += read_all(f.sink.theirs.get());
    f.advance();
  }
  CHECK((received == sent.substr(0, offset)));
  CHECK(f.advance() == Status::AwaitsSource);
  CHECK(f.relay.unsent().empty());
}

TEST_CASE("the end of the source is passed on after its last byte, exactly once") {
  Fixture f;
  REQUIRE(write_some(f.source.theirs.get(), "bye") == 3);
  shutdown(f.source.theirs.get(), SHUT_WR);
  CHECK(f.advance() == Status::Finished);
  CHECK(f.relay.is_finished());
  bool ended = false;
  CHECK(read_all(f.sink.theirs.get(), &ended) == "bye");
  CHECK(ended);
  CHECK(f.advance() == Status::Finished);
  // The other direction of the same sockets is open.
  Relay back;
  REQUIRE(write_some(f.sink.theirs.get(), "still here") == 10);
  CHECK(back.advance(f.sink.ours.get(), f.source.ours.get(), {.buffer = f.buffer, .pipe = f.pipe},
                     {.copied_bytes = 1000, .spliced_bytes = 1000}) == Status::AwaitsSource);
  CHECK(read_all(f.source.theirs.get()) == "still here");
}

TEST_CASE("an end behind bytes that the sink does not take yet waits for them") {
  Fixture f;
  const std::string sent = text(1 << 20);
  std::size_t offset = 0;
  while (f.relay.status() != Status::AwaitsSink) {
    const std::size_t written =
        write_some(f.source.theirs.get(), std::string_view(sent).substr(offset, 4096));
    offset += written;
    f.advance();
  }
  shutdown(f.source.theirs.get(), SHUT_WR);
  CHECK(f.advance() == Status::AwaitsSink);
  std::string received;
  bool ended = false;
  for (int i = 0; i < 1000 && !ended; ++i) {
    received += read_all(f.sink.theirs.get(), &ended);
    f.advance();
  }
  CHECK(ended);
  CHECK((received == sent.substr(0, offset)));
  CHECK(f.relay.is_finished());
}

TEST_CASE("a turn reads its budget and at most one buffer more, then says so") {
  Fixture f;
  const std::string sent = text(3500);
  const auto turn = [&](std::size_t budget) {
    return f.relay.advance(f.source.ours.get(), f.sink.ours.get(),
                           {.buffer = std::span(f.buffer).first(500), .pipe = f.pipe},
                           {.copied_bytes = budget, .spliced_bytes = Fixture::kPlenty});
  };
  REQUIRE(write_some(f.source.theirs.get(), sent) == sent.size());
  CHECK(turn(1000) == Status::BudgetUsed);
  CHECK(f.relay.bytes() == 1000);
  CHECK(turn(1200) == Status::BudgetUsed);
  CHECK(f.relay.bytes() == 2500);
  std::string received = read_all(f.sink.theirs.get());
  CHECK(turn(1 << 20) == Status::AwaitsSource);
  received += read_all(f.sink.theirs.get());
  CHECK((received == sent));
}

TEST_CASE("a budget that is used up exactly at the end still finds the end next turn") {
  Fixture f;
  REQUIRE(write_some(f.source.theirs.get(), text(1000)) == 1000);
  shutdown(f.source.theirs.get(), SHUT_WR);
  CHECK(f.advance(1000) == Status::BudgetUsed);
  CHECK(f.advance(1000) == Status::Finished);
}

TEST_CASE("a sink whose reader is gone fails with its error and raises no signal") {
  Fixture f;
  f.sink.theirs.reset();
  REQUIRE(write_some(f.source.theirs.get(), "x") == 1);
  CHECK(f.advance() == Status::SinkFailed);
  CHECK(f.relay.error() == EPIPE);
}

TEST_CASE("a sink that goes while bytes wait for it fails at the next flush") {
  Fixture f;
  while (f.relay.status() != Status::AwaitsSink) {
    write_some(f.source.theirs.get(), text(4096));
    f.advance();
  }
  f.sink.theirs.reset();
  CHECK(f.advance() == Status::SinkFailed);
  CHECK(f.relay.error() != 0);
}

TEST_CASE("a source that was reset fails with the error that the kernel says") {
  Fixture f;
  // A unix socket closed with unread bytes resets its peer.
  REQUIRE(send(f.source.ours.get(), "unread", 6, MSG_NOSIGNAL) == 6);
  f.source.theirs.reset();
  CHECK(f.advance() == Status::SourceFailed);
  CHECK(f.relay.error() == ECONNRESET);
}

TEST_CASE("a descriptor that is none fails instead of waiting") {
  Fixture f;
  CHECK(f.relay.advance(-1, f.sink.ours.get(), {.buffer = f.buffer, .pipe = f.pipe},
                        {.copied_bytes = 1000, .spliced_bytes = 1000}) == Status::SourceFailed);
  CHECK(f.relay.error() == EBADF);
}

struct Salvage : Fixture {
  bool salvage(std::size_t budget_bytes = 1 << 20) {
    return relay.salvage(source.ours.get(), sink.ours.get(), buffer, budget_bytes);
  }
};

TEST_CASE("salvage passes on what is there, but no end, and says whether there was anything") {
  Salvage f;
  CHECK_FALSE(f.salvage());
  REQUIRE(write_some(f.source.theirs.get(), "early answer") == 12);
  f.source.theirs.reset();
  CHECK(f.salvage());
  CHECK(f.relay.bytes() == 12);
  bool ended = false;
  CHECK(read_all(f.sink.theirs.get(), &ended) == "early answer");
  CHECK_FALSE(ended);
  CHECK_FALSE(f.salvage());
}

TEST_CASE("salvage sends first what already waited for the sink") {
  Salvage f;
  std::string sent;
  while (f.relay.status() != Status::AwaitsSink) {
    const std::string more = text(500);
    sent += more.substr(0, write_some(f.source.theirs.get(), more));
    f.advance();
  }
  SUBCASE("a sink that is still full: there was something, nothing is doubled or put out of order") {
    CHECK(f.salvage());
    const std::string received = read_all(f.sink.theirs.get());
    CHECK((received == sent.substr(0, received.size())));
  }
  SUBCASE("a sink that was read") {
    std::string received = read_all(f.sink.theirs.get());
    REQUIRE(write_some(f.source.theirs.get(), "more") == 4);
    sent += "more";
    CHECK(f.salvage());
    received += read_all(f.sink.theirs.get());
    CHECK((received == sent));
  }
}

TEST_CASE("salvage of a sink that is gone says that there was something; of a finished relay, nothing") {
  Salvage f;
  REQUIRE(write_some(f.source.theirs.get(), "x") == 1);
  SUBCASE("gone") {
    f.sink.theirs.reset();
    CHECK(f.salvage());
    CHECK(f.relay.bytes() == 0);
  }
  SUBCASE("finished") {
    shutdown(f.source.theirs.get(), SHUT_WR);
    REQUIRE(f.advance() == Status::Finished);
    CHECK_FALSE(f.salvage());
  }
}

TEST_CASE("salvage reads its budget and at most one buffer more") {
  Salvage f;
  REQUIRE(write_some(f.source.theirs.get(), text(3500)) == 3500);
  CHECK(f.relay.salvage(f.source.ours.get(), f.sink.ours.get(), std::span(f.buffer).first(500), 1200));
  CHECK(f.relay.bytes() == 1500);
}

TEST_CASE("a relay that goes on elsewhere passes on what it holds first, and nothing twice") {
  Fixture f;
  const std::string sent = text(8 * 1024 * 1024);
  std::size_t first = 0;
  while (f.advance() != Status::AwaitsSink) {
    const std::size_t more = write_some(f.source.theirs.get(), std::string_view(sent).substr(first));
    REQUIRE(more > 0);
    first += more;
  }
  const Relay::State state = f.relay.save();
  CHECK(state.unsent.size() == f.relay.unsent().size());
  CHECK(state.bytes == f.relay.bytes());
  f.relay = Relay::restored(state);
  CHECK(f.relay.save() == state);
  std::string received;
  std::size_t written = first;
  while (received.size() < sent.size()) {
    received += read_all(f.sink.theirs.get());
    written += write_some(f.source.theirs.get(), std::string_view(sent).substr(written));
    f.advance();
  }
  CHECK(received == sent);
  CHECK(f.relay.bytes() == sent.size());
}

TEST_CASE("a relay keeps its opening and its held end elsewhere") {
  Fixture f;
  f.relay.keep_opening(100);
  f.relay.hold_empty_end();
  write_some(f.source.theirs.get(), "hello");
  f.advance();
  f.relay = Relay::restored(f.relay.save());
  const auto opening = f.relay.opening();
  CHECK(std::string(reinterpret_cast<const char*>(opening.data()), opening.size()) == "hello");
  f.relay.rewind();
  f.advance();
  CHECK(read_all(f.sink.theirs.get()) == "hellohello");

  Fixture empty;
  empty.relay.hold_empty_end();
  empty.source.theirs.reset();
  CHECK(empty.advance() == Status::EndedEmpty);
  empty.relay = Relay::restored(empty.relay.save());
  CHECK(empty.advance() == Status::EndedEmpty);
  empty.relay.pass_empty_end();
  CHECK(empty.advance() == Status::Finished);
}

TEST_CASE("a finished relay is finished elsewhere, one whose end is still to be passed on passes it on") {
  Fixture f;
  write_some(f.source.theirs.get(), "last");
  f.source.theirs.reset();
  CHECK(f.advance() == Status::Finished);
  f.relay = Relay::restored(f.relay.save());
  CHECK(f.relay.is_finished());
  CHECK(f.advance() == Status::Finished);

  Fixture held;
  held.relay = Relay::restored({.unsent = std::vector<std::byte>(5, std::byte{'x'}), .source_ended = true});
  CHECK(held.advance() == Status::Finished);
  bool ended = false;
  CHECK(read_all(held.sink.theirs.get(), &ended) == "xxxxx");
  CHECK(ended);
}

}  // namespace
}  // namespace vipward
