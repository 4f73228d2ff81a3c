#include "lb/log/log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <string>
#include <thread>

#include "lb/net/fd.h"

using namespace vipward;
using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

namespace {

struct Pipe {
  Fd read_end;
  Fd write_end;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

Pipe make_socket_pair() {
  std::array<int, 2> ends{};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

std::string read_all(int fd) {
  std::string all;
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got <= 0) return all;
    all.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

// A log whose reader has stopped: callers go on, what does not fit is counted, the end comes.
void check_hung_reader(int fd) {
  std::optional<Log> log;
  log.emplace(Log::Options{.fd = fd, .queue_lines = 1000});
  const auto start = SteadyClock::now();
  for (int i = 0; i < 100000; ++i) log->info("a line nobody reads", {{"number", i}});
  CHECK(SteadyClock::now() - start < 5s);
  CHECK(log->dropped() > 0);
  const auto end_start = SteadyClock::now();
  log.reset();
  CHECK(SteadyClock::now() - end_start < 1500ms);
}

}  // namespace

TEST_CASE("lines are written in order, all of them before the log is gone") {
  Pipe pipe = make_pipe();
  {
    Log log({.fd = pipe.write_end.get()});
    for (int i = 0; i < 100; ++i) log.info("line", {{"number", i}});
    CHECK(log.dropped() == 0);
  }
  pipe.write_end.reset();
  const std::string all = read_all(pipe.read_end.get());
  std::size_t position = 0;
  for (int i = 0; i < 100; ++i) {
    position = all.find("info  line number=" + std::to_string(i) + "\n", position);
    REQUIRE(position != std::string::npos);
  }
}

TEST_CASE("what was written has left the process once the log has settled") {
  Pipe pipe = make_pipe();
  Log log({.fd = pipe.write_end.get()});
  for (int i = 0; i < 100; ++i) log.info("line", {{"number", i}});
  log.settle(20s);
  std::array<char, 65536> buffer{};
  const ssize_t got = read(pipe.read_end.get(), buffer.data(), buffer.size());
  CHECK(std::string(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))).find("number=99\n") !=
        std::string::npos);
}

TEST_CASE("settling waits no longer than it is told for a reader that has stopped") {
  const Pipe pipe = make_pipe();
  std::optional<Log> log(std::in_place, Log::Options{.fd = pipe.write_end.get()});
  for (int i = 0; i < 5000; ++i) log->info("a line nobody reads", {{"number", i}});
  const auto start = SteadyClock::now();
  log->settle(20ms);
  CHECK(SteadyClock::now() - start >= 20ms);
  CHECK(SteadyClock::now() - start < 5s);
}

TEST_CASE("lines below the level are not written") {
  Pipe pipe = make_pipe();
  {
    Log log({.level = LogLevel::Warn, .fd = pipe.write_end.get()});
    log.info("quiet");
    log.warn("loud");
    CHECK(!log.enabled(LogLevel::Info));
    CHECK(log.enabled(LogLevel::Error));
  }
  pipe.write_end.reset();
  const std::string all = read_all(pipe.read_end.get());
  CHECK(all.find("quiet") == std::string::npos);
  CHECK(all.find("warn  loud\n") != std::string::npos);
}

TEST_CASE("a pipe that nobody reads blocks neither the callers nor the end") {
  const Pipe pipe = make_pipe();
  check_hung_reader(pipe.write_end.get());
}

TEST_CASE("a socket that nobody reads blocks neither the callers nor the end") {
  const Pipe pair = make_socket_pair();
  check_hung_reader(pair.write_end.get());
}

TEST_CASE("a blocking pipe that nobody reads keeps its flags") {
  const Pipe pipe = make_pipe();
  check_hung_reader(pipe.write_end.get());
  CHECK((fcntl(pipe.write_end.get(), F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("after a stall the log goes on and says how many lines are missing") {
  Pipe pipe = make_pipe();
  std::string all;
  std::atomic<bool> reading{false};
  std::thread reader([&] {
    while (!reading) std::this_thread::sleep_for(1ms);
    all = read_all(pipe.read_end.get());
  });
  std::uint64_t dropped = 0;
  {
    Log log({.fd = pipe.write_end.get(), .queue_lines = 10});
    for (int i = 0; i < 10000; ++i) log.info("flood", {{"number", i}});
    dropped = log.dropped();
    CHECK(dropped > 0);
    reading = true;
    // The newest lines are the ones that are kept.
  }
  pipe.write_end.reset();
  reader.join();
  CHECK(all.find("flood number=9999\n") != std::string::npos);
  CHECK(all.find("warn  log lines dropped count=") != std::string::npos);
}

TEST_CASE("a reader that is gone is harmless and its lines are counted") {
  signal(SIGPIPE, SIG_IGN);
  SUBCASE("pipe") {
    Pipe pipe = make_pipe();
    pipe.read_end.reset();
    Log log({.fd = pipe.write_end.get()});
    log.info("into the void");
    const auto deadline = SteadyClock::now() + 5s;
    while (log.dropped() == 0 && SteadyClock::now() < deadline) std::this_thread::sleep_for(1ms);
    CHECK(log.dropped() == 1);
  }
  SUBCASE("a descriptor that is not open") {
    Log log({.fd = 987654});
    log.info("nowhere");
    const auto deadline = SteadyClock::now() + 5s;
    while (log.dropped() == 0 && SteadyClock::now() < deadline) std::this_thread::sleep_for(1ms);
    CHECK(log.dropped() == 1);
  }
  signal(SIGPIPE, SIG_DFL);
}

TEST_CASE("a line longer than a pipe's atomic write arrives whole") {
  Pipe pipe = make_pipe();
  std::string all;
  std::thread reader([&] { all = read_all(pipe.read_end.get()); });
  const std::string long_value(300000, 'x');
  {
    Log log({.fd = pipe.write_end.get()});
    log.info("long", {{"value", long_value}});
  }
  pipe.write_end.reset();
  reader.join();
  CHECK(all.ends_with("info  long value=" + long_value + "\n"));
}

TEST_CASE("several threads write whole lines") {
  Pipe pipe = make_pipe();
  std::string all;
  std::thread reader([&] { all = read_all(pipe.read_end.get()); });
  {
    Log log({.fd = pipe.write_end.get()});
    std::array<std::thread, 4> writers;
    for (auto& writer : writers)
      writer = std::thread([&] {
        for (int i = 0; i < 500; ++i) log.info("from a thread", {{"value", "two words"}});
      });
    for (auto& writer : writers) writer.join();
    CHECK(log.dropped() == 0);
  }
  pipe.write_end.reset();
  reader.join();
  std::size_t lines = 0;
  for (std::size_t at = 0;
       (at = all.find("Z info  from a thread value=\"two words\"\n", at)) != std::string::npos; ++at)
    ++lines;
  CHECK(lines == 2000);
}
