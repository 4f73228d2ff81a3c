// A relay in bulk: bytes go through the pipe, and nothing else is different.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <memory>

#include "lb/proxy/relay.h"
#include "tests/unit/proxy/stream_ends.h"

namespace vipward {
namespace {

using test::is_ending;
using test::read_all;
using test::TcpPair;
using test::write_some;
using Status = Relay::Status;

// No two places of it within a pipe's length are alike.
const std::string& long_text() {
  static const std::string all = [] {
    const std::string block = test::text(1'299'709);
    std::string blocks;
    for (int i = 0; i < 50; ++i) blocks += block;
    return blocks;
  }();
  return all;
}

// As a worker has it: told by epoll of what comes after the bytes.
struct Fixture {
  Counter spliced;
  int refusals = 0;
  Pipe pipe{spliced, [this](int) { ++refusals; }};
  Pipe* lent = &pipe;
  TcpPair source;
  TcpPair sink;
  Relay relay;
  std::vector<std::byte> buffer = std::vector<std::byte>(32 * 1024);
  const std::string& pattern = long_text();
  std::size_t said = 0;
  std::string heard;

  Fixture() { std::signal(SIGPIPE, SIG_IGN); }

  Status advance(std::size_t spliced_budget = 1 << 30) {
    if (is_ending(source.ours.get())) relay.expect_end();
    return relay.advance(source.ours.get(), sink.ours.get(), {.buffer = buffer, .pipe = *lent},
                         {.copied_bytes = 1 << 30, .spliced_bytes = spliced_budget});
  }
  void say(std::size_t most) {
    said += write_some(source.theirs.get(), std::string_view(pattern).substr(said, most));
  }
  void hear() { heard += read_all(sink.theirs.get()); }
  // Until so much has been said and heard.
  void run_until(std::size_t bytes) {
    for (int i = 0; i < 100'000 && heard.size() < bytes; ++i) {
      say(std::min<std::size_t>(bytes - said, 64 * 1024));
      advance();
      hear();
    }
    REQUIRE(heard.size() == bytes);
  }
  // A last piece may have been a small one, which ends the bulk.
  void get_into_bulk() {
    for (int i = 0; i < 1000 && !relay.is_in_bulk(); ++i) run_until(said + 64 * 1024);
    REQUIRE(relay.is_in_bulk());
  }
  // Nobody hears: until the sink takes no more.
  void fill_up() {
    get_into_bulk();
    for (int i = 0; i < 10'000; ++i) {
      say(256 * 1024);
      if (advance() == Status::AwaitsSink) break;
      usleep(100);
    }
    REQUIRE(relay.status() == Status::AwaitsSink);
    REQUIRE(relay.unsent().size() > 0);
  }
  bool is_right() const { return heard == std::string_view(pattern).substr(0, heard.size()); }
};

TEST_CASE("a direction in bulk is spliced, with every byte in its place") {
  Fixture f;
  f.run_until(4 * 1024 * 1024);
  CHECK(f.is_right());
  CHECK(f.relay.bytes() == f.heard.size());
  CHECK(f.spliced.value() > f.heard.size() / 2);
  CHECK(f.relay.unsent().empty());
  CHECK(f.refusals == 0);
}

TEST_CASE("small pieces are never spliced, however many") {
  Fixture f;
  for (std::size_t sent = 4000; sent <= 400 * 4000; sent += 4000) f.run_until(sent);
  CHECK(f.is_right());
  CHECK_FALSE(f.relay.is_in_bulk());
  CHECK(f.spliced.value() == 0);
}

TEST_CASE("a small piece ends the bulk, whatever came before it") {
  Fixture f;
  f.get_into_bulk();
  f.run_until(f.said + 100);
  CHECK_FALSE(f.relay.is_in_bulk());
  const std::uint64_t spliced = f.spliced.value();
  f.run_until(f.said + 100);
  CHECK(f.spliced.value() == spliced);
  CHECK(f.is_right());
}

TEST_CASE("while the opening may have to be said again it is kept, and nothing spliced") {
  Fixture f;
  f.relay.keep_opening(4 * 1024 * 1024);
  f.run_until(2 * 1024 * 1024);
  CHECK(f.spliced.value() == 0);
  CHECK(f.relay.opening().size() == 2 * 1024 * 1024);
  f.relay.forget_opening();
  f.run_until(3 * 1024 * 1024);
  CHECK(f.spliced.value() > 0);
  CHECK(f.is_right());
}

TEST_CASE("a budget of spliced bytes is kept, and its end is not taken for the end of the bulk") {
  Fixture f;
  f.get_into_bulk();
  f.say(1024 * 1024);
  const std::size_t waiting = f.said - f.heard.size();
  REQUIRE(waiting > 128 * 1024);
  const std::uint64_t before = f.relay.bytes();
  CHECK(f.advance(50'000) == Status::BudgetUsed);
  CHECK(f.relay.bytes() - before >= 50'000);
  CHECK(f.relay.bytes() - before < 50'000 + 8 * 1024);
  CHECK(f.relay.is_in_bulk());
}

TEST_CASE("what the sink has left over is passed on first, and nothing is read meanwhile") {
  Fixture f;
  f.fill_up();
  const std::uint64_t passed = f.relay.bytes();
  f.say(64 * 1024);
  for (int i = 0; i < 10; ++i) CHECK(f.advance() == Status::AwaitsSink);
  CHECK(f.relay.bytes() == passed);
  shutdown(f.source.theirs.get(), SHUT_WR);
  for (int i = 0; i < 100'000 && !f.relay.is_finished(); ++i) {
    f.hear();
    f.advance();
  }
  f.hear();
  CHECK(f.heard.size() == f.said);
  CHECK(f.is_right());
  CHECK(f.relay.is_finished());
}

TEST_CASE("little is left over, in bulk as before") {
  Fixture f;
  for (int i = 0; i < 5; ++i) {
    f.fill_up();
    CHECK(f.relay.unsent().size() <= 64 * 1024);
    f.hear();
    f.advance();
  }
}

TEST_CASE("what is left over is handed over, and the stream goes on") {
  Fixture f;
  f.fill_up();
  f.relay = Relay::restored(f.relay.save());
  f.run_until(f.said + 4 * 1024 * 1024);
  CHECK(f.is_right());
  CHECK(f.relay.bytes() == f.heard.size());
}

TEST_CASE("many streams share a pipe, stopped ones too, and none gets a byte of another one") {
  Fixture f;
  std::vector<std::unique_ptr<Fixture>> stopped;
  for (int i = 0; i < 10; ++i) {
    stopped.push_back(std::make_unique<Fixture>());
    stopped.back()->lent = &f.pipe;
    stopped.back()->fill_up();
  }
  f.run_until(4 * 1024 * 1024);
  CHECK(f.is_right());
  CHECK(f.spliced.value() > 3 * 1024 * 1024);
  for (const auto& other : stopped) {
    other->run_until(other->said + 1024 * 1024);
    CHECK(other->is_right());
  }
}

TEST_CASE("without a pipe the bulk is copied, until there is one") {
  Fixture f;
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{.rlim_cur = 3, .rlim_max = before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  f.run_until(2 * 1024 * 1024);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(f.spliced.value() == 0);
  CHECK(f.refusals == 1);
  f.run_until(16 * 1024 * 1024);
  CHECK(f.spliced.value() > 0);
  CHECK(f.is_right());
}

TEST_CASE("a source that is reset in bulk has failed, and has not ended") {
  Fixture f;
  f.get_into_bulk();
  f.source.theirs.reset();  // SO_LINGER 0
  CHECK(f.advance() == Status::SourceFailed);
  CHECK(f.relay.error() == ECONNRESET);
  CHECK_FALSE(f.relay.is_finished());
}

TEST_CASE("a sink that goes in bulk fails and raises no signal, and what it did not take is nobody's") {
  Fixture f;
  f.get_into_bulk();
  f.say(512 * 1024);
  f.sink.theirs.reset();
  CHECK(f.advance() == Status::SinkFailed);
  CHECK((f.relay.error() == ECONNRESET || f.relay.error() == EPIPE));
  Fixture other;
  other.lent = &f.pipe;
  other.run_until(4 * 1024 * 1024);
  CHECK(other.is_right());
  CHECK(f.spliced.value() > 3 * 1024 * 1024);
}

TEST_CASE("the last words of a source that failed in bulk include what was left over") {
  Fixture f;
  f.fill_up();
  const std::uint64_t passed = f.relay.bytes();
  f.hear();
  CHECK(f.relay.salvage(f.source.ours.get(), f.sink.ours.get(), f.buffer, 0));
  CHECK(f.relay.bytes() > passed);
  f.hear();
  CHECK(f.is_right());
}

// splice(2) stops in front of an urgent byte and says EAGAIN; recv(2) skips it.
TEST_CASE("an urgent byte stops nothing, in bulk or before it") {
  Fixture f;
  for (const std::size_t before : {std::size_t{5000}, std::size_t{2 * 1024 * 1024}}) {
    f.run_until(before);
    f.say(100'000);
    REQUIRE(send(f.source.theirs.get(), "!", 1, MSG_OOB | MSG_NOSIGNAL) == 1);
    f.say(100'000);
    const std::size_t all = f.said;
    for (int i = 0; i < 1000 && f.heard.size() < all; ++i) {
      f.advance();
      f.hear();
    }
    CHECK(f.heard.size() == all);
    CHECK(f.is_right());
  }
}

// There splice(2) says 0, as at an end: SOCK_DONE comes before EAGAIN in tcp_splice_read().
TEST_CASE("an urgent byte with an end behind it is no end, in bulk") {
  Fixture f;
  f.get_into_bulk();
  f.say(64 * 1024);
  REQUIRE(send(f.source.theirs.get(), "!", 1, MSG_OOB | MSG_NOSIGNAL) == 1);
  f.say(64 * 1024);
  const std::size_t all = f.said;
  shutdown(f.source.theirs.get(), SHUT_WR);
  for (int i = 0; i < 1000 && !f.relay.is_finished(); ++i) {
    f.advance();
    f.hear();
  }
  f.hear();
  CHECK(f.relay.is_finished());
  CHECK(f.heard.size() == all);
  CHECK(f.is_right());
}

TEST_CASE("a read that gets less than it asked for is the last one, until epoll tells of an end") {
  Fixture f;
  REQUIRE(write_some(f.source.theirs.get(), "bye") == 3);
  shutdown(f.source.theirs.get(), SHUT_WR);
  const auto advance = [&] {
    return f.relay.advance(f.source.ours.get(), f.sink.ours.get(), {.buffer = f.buffer, .pipe = f.pipe},
                           {.copied_bytes = 1 << 20, .spliced_bytes = 1 << 20});
  };
  CHECK(advance() == Status::AwaitsSource);
  f.relay.expect_end();
  CHECK(advance() == Status::Finished);
}

}  // namespace
}  // namespace vipward
