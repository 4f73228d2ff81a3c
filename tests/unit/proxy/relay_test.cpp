#include "lb/proxy/relay.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "lb/net/fd.h"

namespace vipward {
namespace {

using Status = Relay::Status;

// Stream sockets with a small buffer: unix ones, so nothing happens behind the test's back.
struct Pair {
  Fd ours;
  Fd theirs;
  Pair() {
    std::array<int, 2> fds{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) == 0);
    ours.reset(fds[0]);
    theirs.reset(fds[1]);
    const int bytes = 8 * 1024;
    for (const int fd : fds) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  }
};

std::string text(std::size_t size) {
  std::string result(size, '\0');
  for (std::size_t i = 0; i < size; ++i) result[i] = static_cast<char>('a' + (i * 31 + i / 251) % 26);
  return result;
}

// As much as the socket takes of `data`, from its front.
std::size_t write_some(int fd, std::string_view data) {
  std::size_t written = 0;
  while (written < data.size()) {
    const ssize_t n = send(fd, data.data() + written, data.size() - written, MSG_NOSIGNAL);
    if (n <= 0) break;
    written += static_cast<std::size_t>(n);
  }
  return written;
}

// Everything that is there now; `ended` is set at the end of the stream.
std::string read_all(int fd, bool* ended = nullptr) {
  std::string result;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t n = recv(fd, buffer.data(), buffer.size(), 0);
    if (n > 0) {
      result.append(buffer.data(), static_cast<std::size_t>(n));
      continue;
    }
    if (n == 0 && ended != nullptr) *ended = true;
    return result;
  }
}

struct Fixture {
  Pair source;
  Pair sink;
  Relay relay;
  std::array<std::byte, 4096> buffer{};

  Status advance(std::size_t budget_bytes = 1 << 30) {
    return relay.advance(source.ours.get(), sink.ours.get(), buffer, budget_bytes);
  }
};

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
  CHECK(back.advance(f.sink.ours.get(), f.source.ours.get(), f.buffer, 1 << 20) == Status::AwaitsSource);
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
    return f.relay.advance(f.source.ours.get(), f.sink.ours.get(), std::span(f.buffer).first(500), budget);
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
  CHECK(f.relay.advance(-1, f.sink.ours.get(), f.buffer, 1000) == Status::SourceFailed);
  CHECK(f.relay.error() == EBADF);
}

}  // namespace
}  // namespace vipward
