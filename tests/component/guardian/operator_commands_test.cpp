// An operator's commands where there is no VIP. With one: the system tests.
#include "lb/guardian/operator_commands.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>

#include "tests/component/app/captured_log.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

TEST_CASE("without a VIP there is nothing to release or resume") {
  Loop loop;
  CapturedLog log;
  OperatorCommands commands(loop, log.log(), nullptr, [] { FAIL("nothing has changed"); });
  std::array<int, 2> ends{};
  for (const bool release : {true, false}) {
    CAPTURE(release);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
    const Fd client(ends[0]);
    CommandReply reply{Fd(ends[1])};
    if (release) {
      commands.release({.limit = 5s}, std::move(reply));
    } else {
      commands.resume(std::move(reply));
    }
    std::array<char, 200> text;
    const ssize_t size = recv(client.get(), text.data(), text.size(), 0);
    REQUIRE(size > 0);
    CHECK(std::string(text.data(), static_cast<std::size_t>(size)) ==
          "error there is no vip section in the configuration, nothing to release\n");
    CHECK(recv(client.get(), text.data(), text.size(), 0) == 0);
  }
  commands.look();
  CHECK_FALSE(commands.is_holding());
  CHECK(commands.next_deadline() == std::nullopt);
}

TEST_CASE("a release that is under way when vipward stops is answered") {
  Loop loop;
  CapturedLog log;
  OperatorCommands commands(loop, log.log(), nullptr, [] {});
  std::array<int, 2> ends{};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const Fd client(ends[0]);
  commands.resume_from({.is_holding = true, .pending_reply = ends[1], .pending_since = loop.now()});
  commands.stop();
  std::array<char, 200> text;
  const ssize_t size = recv(client.get(), text.data(), text.size(), 0);
  REQUIRE(size > 0);
  CHECK(std::string(text.data(), static_cast<std::size_t>(size)) == "error vipward stops\n");
  CHECK(recv(client.get(), text.data(), text.size(), 0) == 0);
  CHECK_FALSE(commands.lent().pending_reply);
}

}  // namespace
}  // namespace vipward::test
