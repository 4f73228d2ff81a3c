// What the two processes of `vipward run` may do, and what it says when it may not do enough.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"
#include "tests/system/edge_pair.h"
#include "tests/system/vipward_edge.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

constexpr uid_t kNobody = 65534;
// KILL, SETGID, SETUID, NET_BIND_SERVICE, NET_ADMIN and NET_RAW (linux/capability.h).
constexpr std::uint64_t kGuardianCapabilities =
    1ULL << 5 | 1ULL << 6 | 1ULL << 7 | 1ULL << 10 | 1ULL << 12 | 1ULL << 13;

std::size_t lines_of(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

TEST_CASE("the proxy is nobody without capabilities, the guardian keeps those that it needs and no other") {
  EdgePair pair(Contender::Vipward);
  pair.start_alone(pair.lb1());
  const std::vector<pid_t> proxies = pair.lb1().proxy_pids();
  REQUIRE(proxies.size() == 1);
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
    CAPTURE(set);
    CHECK(capabilities_of(proxies.front(), set) == 0);
  }
  CHECK(process_status(proxies.front(), "Uid") == "65534 65534 65534 65534");
  CHECK(process_status(proxies.front(), "Gid") == "65534 65534 65534 65534");
  CHECK(process_status(proxies.front(), "Groups").find_first_of("0123456789") == std::string::npos);

  const pid_t guardian = pair.lb1().keeper_pids().front();
  CHECK(capabilities_of(guardian, "CapEff") == kGuardianCapabilities);
  CHECK(capabilities_of(guardian, "CapPrm") == kGuardianCapabilities);
}

TEST_CASE("run with a VIP and without rights fails with one sentence that names what is missing") {
  EdgePair pair(Contender::Vipward);
  const VipwardEdge& edge = as_vipward(pair.lb1());
  const TempDir folder;
  // Nothing else stands in its way.
  std::filesystem::permissions(folder.path(), std::filesystem::perms{0755});
  const std::string file = folder.file("vipward.yaml", edge.config());
  std::filesystem::permissions(file, std::filesystem::perms{0644});
  const Host& host = pair.lb1().host();

  SUBCASE("as another user: both") {
    const CommandResult result = host.run({Daemon::binary(), "run", "-c", file}, 10s, {.user = kNobody});
    CHECK(result.exit_code == 1);
    CHECK(result.standard_output.empty());
    CHECK_MESSAGE(lines_of(result.standard_error) == 1, result.standard_error);
    CHECK_MESSAGE(result.standard_error.find("CAP_NET_ADMIN") != std::string::npos, result.standard_error);
    CHECK_MESSAGE(result.standard_error.find("CAP_NET_RAW") != std::string::npos, result.standard_error);
  }
  SUBCASE("as root without one of them: that one") {
    const CommandResult result =
        host.run({"setpriv", "--bounding-set=-net_raw", Daemon::binary(), "run", "-c", file}, 10s);
    CHECK(result.exit_code == 1);
    CHECK_MESSAGE(lines_of(result.standard_error) == 1, result.standard_error);
    CHECK_MESSAGE(result.standard_error.find("CAP_NET_RAW") != std::string::npos, result.standard_error);
    CHECK_MESSAGE(result.standard_error.find("CAP_NET_ADMIN") == std::string::npos, result.standard_error);
  }
  CHECK_FALSE(pair.lb1().holds_vip());
}

}  // namespace
}  // namespace vipward::test
