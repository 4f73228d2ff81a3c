#include "tests/support/network.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "tests/support/client_stream.h"
#include "tests/support/http_client.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// How a connection from `from` ends: Refused where nobody listens, Timeout where packets vanish.
ClientError connect_from(const Host& from, const SocketAddress& to) {
  return from.call([&] { return HttpClient({.address = to, .limit = 300ms}).connect(); });
}

TEST_CASE("hosts on one bridge reach each other, until a cable is pulled or packets are dropped") {
  Network net;
  Host one = net.host("one");
  Host two = net.host("two", 77);
  CHECK(one.address().to_string() == "10.77.0.10");
  CHECK(two.address(6443).to_string() == "10.77.0.77:6443");
  CHECK(net.host("one").namespace_name() == one.namespace_name());
  CHECK(connect_from(one, two.address(6443)) == ClientError::Refused);

  SUBCASE("a pulled cable cuts both ways, a plugged one heals") {
    two.pull_cable();
    CHECK(connect_from(one, two.address(6443)) == ClientError::Timeout);
    two.plug_cable();
    CHECK(wait_until([&] { return connect_from(one, two.address(6443)) == ClientError::Refused; }, 10s));
  }
  SUBCASE("packets are dropped by address and port, and in one direction") {
    one.drop_packets_to(two.address(6443));
    CHECK(connect_from(one, two.address(6443)) == ClientError::Timeout);
    CHECK(connect_from(one, two.address(6444)) == ClientError::Refused);
    one.drop_packets_to(two.address());
    CHECK(connect_from(one, two.address(6444)) == ClientError::Timeout);
    one.stop_dropping();
    CHECK(connect_from(one, two.address(6443)) == ClientError::Refused);
  }
  SUBCASE("packets to a loopback address are dropped inside the host") {
    const SocketAddress target = *SocketAddress::parse("127.0.0.9:6443");
    CHECK(connect_from(one, target) == ClientError::Refused);
    one.drop_packets_to(target);
    CHECK(connect_from(one, target) == ClientError::Timeout);
    CHECK(connect_from(two, target) == ClientError::Refused);
    one.stop_dropping();
    CHECK(connect_from(one, target) == ClientError::Refused);
  }
}

TEST_CASE("a network leaves nothing behind, nor does one whose test was killed") {
  std::string name;
  {
    Network net;
    Host host = net.host("one");
    name = host.namespace_name();
    Process process = host.spawn({"sleep", "60"});
    CHECK(std::filesystem::exists("/run/netns/" + name));
  }
  CHECK_FALSE(std::filesystem::exists("/run/netns/" + name));

  Process gone({"true"});
  REQUIRE(gone.wait(5s));
  const std::string left_over = "vipward-" + std::to_string(gone.pid()) + "-1-bridge";
  REQUIRE(run_command({"ip", "netns", "add", left_over}).succeeded());
  const Network next;
  CHECK_FALSE(std::filesystem::exists("/run/netns/" + left_over));
}

TEST_CASE("what is called inside a host returns, throws, and leaves the caller where it was") {
  Network net;
  const Host host = net.host("one");
  const auto here = std::filesystem::read_symlink("/proc/thread-self/ns/net");
  const auto there = host.call([] { return std::filesystem::read_symlink("/proc/thread-self/ns/net"); });
  CHECK(there != here);
  CHECK_THROWS_WITH(host.call([] { throw std::runtime_error("inside"); }), "inside");
  {
    const InsideNamespace inside = host.enter();
    CHECK(std::filesystem::read_symlink("/proc/thread-self/ns/net") == there);
    CHECK(run_command({"ip", "-brief", "address"}).standard_output.find("10.77.0.10/24") !=
          std::string::npos);
  }
  CHECK(std::filesystem::read_symlink("/proc/thread-self/ns/net") == here);
}

}  // namespace
}  // namespace vipward::test
