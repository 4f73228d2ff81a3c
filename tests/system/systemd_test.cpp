// deploy/systemd as an operator installs it, under a systemd of its own.
#include <doctest/doctest.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <sstream>

#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"
#include "tests/system/daemon.h"
#include "tests/system/systemd_machine.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

constexpr const char* kUnit = "vipward.service";
constexpr const char* kLeftBehind = "address left behind by an earlier life removed";
constexpr std::chrono::seconds kStartLimit{20};

// A host with systemd on which vipward is installed, configured and known, but not started. 10.77.0.22, its
// peer, is not there.
class Installation {
 public:
  // Nullptr, and says so, where it cannot be.
  static std::unique_ptr<Installation> make() {
    const std::string obstacle = SystemdMachine::obstacle();
    if (obstacle.empty()) return std::unique_ptr<Installation>(new Installation);
    MESSAGE("NOT RUN: the unit was not started, because ", obstacle);
    return nullptr;
  }

  SystemdMachine& machine() { return machine_; }
  // One more file of settings for the unit.
  void set(const std::string& name, const std::string& value) {
    machine_.write("systemd/system/vipward.service.d/" + name + ".conf",
                   "[Service]\n" + name + "=" + value + "\n");
    machine_.run({"systemctl", "daemon-reload"});
  }
  CommandResult systemctl(const std::string& command) {
    return machine_.run({"systemctl", command, kUnit}, kStartLimit);
  }
  void start() {
    const CommandResult result = systemctl("start");
    REQUIRE_MESSAGE(result.exit_code == 0, result.standard_error, log());
  }
  pid_t guardian() const { return machine_.main_process_of(kUnit); }
  pid_t proxy() const {
    const std::vector<pid_t> children = children_of(guardian());
    return children.empty() ? 0 : children.front();
  }
  bool holds_vip() const { return edge_.has_address(*IpAddress::parse("10.77.0.100")); }
  bool wait_until_it_holds_the_vip() const {
    return wait_until([&] { return holds_vip(); }, kStartLimit);
  }
  bool has_logged(std::string_view text) const { return log().find(text) != std::string::npos; }
  // Of every life; empty before the first.
  std::string log() const {
    const auto file = machine_.etc() / "vipward/log";
    return std::filesystem::exists(file) ? read_file(file) : "";
  }

 private:
  Installation() : edge_(network_.host("edge", 21)), machine_(edge_, Daemon::binary()) {
    machine_.write(std::string("systemd/system/") + kUnit, read_file("deploy/systemd/vipward.service"));
    machine_.write("sysusers.d/vipward.conf", read_file("deploy/systemd/vipward.sysusers"));
    machine_.write("vipward/vipward.yaml",
                   "services:\n"
                   "  - listen: \"vip:6443\"\n"
                   "    backends: [127.0.0.1:9]\n"
                   "    health_check: {protocol: tcp}\n"
                   "vip:\n"
                   "  addresses: [10.77.0.100/24]\n"
                   "  peers: [10.77.0.21, 10.77.0.22]\n"
                   "  startup_delay: 0s\n"
                   // So that it is still there when the next life starts, however busy this machine is.
                   "  address_lifetime: 10s\n"
                   "control_socket: {mode: \"0660\", group: adm}\n");
    const CommandResult users = machine_.run({"systemd-sysusers", "vipward.conf"});
    REQUIRE_MESSAGE(users.exit_code == 0, users.standard_error);
    // There is no journal.
    set("StandardError", "append:/etc/vipward/log");
  }

  Network network_;
  Host edge_;
  SystemdMachine machine_;
};

// "CapEff:\t0000000000003ce0" -> "0000000000003ce0"
std::string status_field(pid_t pid, const std::string& name) {
  std::istringstream lines(read_file("/proc/" + std::to_string(pid) + "/status"));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(name + ":\t")) return line.substr(name.size() + 2);
  }
  return "";
}

std::uint64_t capabilities(pid_t pid, const std::string& set) {
  return std::stoull(status_field(pid, set), nullptr, 16);
}

// KILL, SETGID, SETUID, NET_BIND_SERVICE, NET_ADMIN and NET_RAW (linux/capability.h).
constexpr std::uint64_t kKept = 1U << 5 | 1U << 6 | 1U << 7 | 1U << 10 | 1U << 12 | 1U << 13;
// And until the set-up is done IPC_LOCK and SYS_NICE.
constexpr std::uint64_t kBounds = kKept | 1U << 14 | 1U << 23;

TEST_CASE("the unit is up when vipward serves, with the rights that it needs and no other") {
  const auto installation = Installation::make();
  if (!installation) return;
  installation->start();
  SystemdMachine& machine = installation->machine();
  CHECK(machine.property(kUnit, "ActiveState") == "active");
  CHECK(machine.property(kUnit, "WatchdogUSec") == "10s");
  const CommandResult status = machine.run({"vipward", "status"});
  CHECK_MESSAGE(status.standard_output.find("vip 10.77.0.100/24") != std::string::npos,
                status.standard_output, status.standard_error);
  // Without the capability to give files away (CHOWN).
  CHECK(machine.run({"stat", "--format=%U %G %a", "/run/vipward/control.sock"}).standard_output ==
        "root adm 660\n");
  CHECK_MESSAGE(installation->wait_until_it_holds_the_vip(), installation->log());
  CHECK(wait_until([&] { return machine.property(kUnit, "StatusText").starts_with("active"); }, 5s));

  const pid_t guardian = installation->guardian();
  CHECK(capabilities(guardian, "CapBnd") == kBounds);
  CHECK(capabilities(guardian, "CapPrm") == kKept);
  CHECK(capabilities(guardian, "CapEff") == kKept);
  CHECK(capabilities(guardian, "CapAmb") == 0);
  CHECK(status_field(guardian, "NoNewPrivs") == "1");
  CHECK(status_field(guardian, "Seccomp") == "2");
  CHECK(status_field(guardian, "VmLck") != "       0 kB");
  rlimit descriptors{};
  REQUIRE(prlimit(guardian, RLIMIT_NOFILE, nullptr, &descriptors) == 0);
  // Or what this machine has to give.
  rlimit ours{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &ours) == 0);
  CHECK(descriptors.rlim_cur >= std::min<rlim_t>(1048576, ours.rlim_max));

  const pid_t proxy = installation->proxy();
  REQUIRE(proxy != 0);
  const std::string uid = status_field(proxy, "Uid");
  CHECK_MESSAGE(
      read_file(machine.etc() / "passwd").find("vipward:x:" + uid.substr(0, uid.find('\t')) + ":") !=
          std::string::npos,
      uid);
  CHECK(capabilities(proxy, "CapPrm") == 0);
  CHECK(sched_getscheduler(proxy) == SCHED_OTHER);
  // The kernel may have no real time for a control group; then, too, the set-up said so, and went on.
  const int policy = sched_getscheduler(guardian);
  CHECK((policy == (SCHED_FIFO | SCHED_RESET_ON_FORK) || installation->has_logged("no real-time priority")));
  CHECK_FALSE_MESSAGE(installation->has_logged("memory is not locked"), installation->log());
}

// What a reload replaces in place has to keep what systemd gave it: the rights, the process id, the
// readiness.
TEST_CASE("systemctl reload puts a changed configuration into effect, and a broken one changes nothing") {
  const auto installation = Installation::make();
  if (!installation) return;
  installation->start();
  SystemdMachine& machine = installation->machine();
  REQUIRE_MESSAGE(installation->wait_until_it_holds_the_vip(), installation->log());
  const pid_t guardian = installation->guardian();
  const pid_t proxy = installation->proxy();
  const std::string config = read_file(machine.etc() / "vipward/vipward.yaml");

  machine.write("vipward/vipward.yaml", replaced(config, "127.0.0.1:9]", "127.0.0.1:9, 127.0.0.1:10]"));
  CommandResult reload = installation->systemctl("reload");
  CHECK_MESSAGE(reload.exit_code == 0, reload.standard_error, installation->log());
  CHECK(installation->guardian() == guardian);
  CHECK(wait_until([&] { return is_process_gone(proxy); }, 5s));
  CHECK(installation->holds_vip());
  CHECK(machine.run({"vipward", "status"}).standard_output.find("127.0.0.1:10") != std::string::npos);
  CHECK(machine.property(kUnit, "ActiveState") == "active");
  CHECK(machine.property(kUnit, "NRestarts") == "0");
  CHECK(wait_until([&] { return machine.property(kUnit, "StatusText").starts_with("active"); }, 5s));
  CHECK(capabilities(guardian, "CapPrm") == kKept);
  CHECK(capabilities(guardian, "CapEff") == kKept);
  CHECK(capabilities(installation->proxy(), "CapPrm") == 0);
  CHECK(sched_getscheduler(installation->proxy()) == SCHED_OTHER);
  // Where even root's limit of locked memory is small, the next image cannot lock its own, and says so.
  CHECK(
      (status_field(guardian, "VmLck") != "       0 kB" || installation->has_logged("memory is not locked")));

  const pid_t second = installation->proxy();
  machine.write("vipward/vipward.yaml", replaced(config, "protocol: tcp", "protocol: smoke"));
  reload = installation->systemctl("reload");
  CHECK(reload.exit_code != 0);
  CHECK_MESSAGE(installation->has_logged("vipward.yaml:4:30: services[0].health_check.protocol"),
                installation->log());
  CHECK(machine.property(kUnit, "ActiveState") == "active");
  CHECK(installation->guardian() == guardian);
  CHECK(installation->proxy() == second);
  CHECK(installation->holds_vip());
  // The watchdog is fed by the next image, too: longer than it waits.
  CHECK_FALSE(wait_until([&] { return machine.property(kUnit, "NRestarts") != "0"; }, 12s));
  CHECK(installation->guardian() == guardian);
}

TEST_CASE("systemctl stop gives the VIP up, and is an orderly end") {
  const auto installation = Installation::make();
  if (!installation) return;
  installation->start();
  REQUIRE_MESSAGE(installation->wait_until_it_holds_the_vip(), installation->log());
  const pid_t guardian = installation->guardian();
  const pid_t proxy = installation->proxy();
  CHECK(installation->systemctl("stop").exit_code == 0);
  CHECK(is_process_gone(guardian));
  CHECK(is_process_gone(proxy));
  CHECK_FALSE(installation->holds_vip());
  CHECK(installation->machine().property(kUnit, "Result") == "success");
  CHECK(installation->machine().property(kUnit, "ExecMainStatus") == "0");
  CHECK(installation->machine().run({"test", "-e", "/run/vipward/control.sock"}).exit_code != 0);
}

TEST_CASE("a drain lives through systemctl stop and start") {
  const auto installation = Installation::make();
  if (!installation) return;
  SystemdMachine& machine = installation->machine();
  const std::string config = read_file(machine.etc() / "vipward/vipward.yaml");
  machine.write("vipward/vipward.yaml", replaced(config, "127.0.0.1:9]", "127.0.0.1:9, 127.0.0.1:10]"));
  installation->start();
  const CommandResult drain = machine.run({"vipward", "drain", "127.0.0.1:10"});
  REQUIRE_MESSAGE(drain.exit_code == 0, drain.standard_error);
  CHECK(installation->systemctl("stop").exit_code == 0);
  installation->start();
  const auto is_drained = [&] {
    return machine.run({"vipward", "status"}).standard_output.find("drained by the operator") !=
           std::string::npos;
  };
  CHECK_MESSAGE(wait_until(is_drained, 5s), machine.run({"vipward", "status"}).standard_output);
}

TEST_CASE(
    "systemd starts vipward again after a kill -9, however often, and nothing is left of the life before") {
  const auto installation = Installation::make();
  if (!installation) return;
  installation->start();
  REQUIRE_MESSAGE(installation->wait_until_it_holds_the_vip(), installation->log());
  CHECK(installation->machine().run({"touch", "/run/vipward/kept"}).exit_code == 0);
  const pid_t first = installation->guardian();
  REQUIRE(first > 1);
  kill(first, SIGKILL);
  CHECK_MESSAGE(wait_until([&] { return installation->has_logged(kLeftBehind); }, kStartLimit),
                installation->log());
  // More than the five starts that systemd forgives within ten seconds by default.
  pid_t guardian = installation->guardian();
  for (int death = 2; death <= 7; ++death) {
    CAPTURE(death);
    REQUIRE(guardian > 1);
    kill(guardian, SIGKILL);
    const pid_t killed = guardian;
    const auto lives_again = [&] {
      guardian = installation->guardian();
      return guardian != 0 && guardian != killed;
    };
    REQUIRE_MESSAGE(wait_until(lives_again, kStartLimit), installation->log());
  }
  CHECK_MESSAGE(installation->wait_until_it_holds_the_vip(), installation->log());
  CHECK(installation->machine().property(kUnit, "ActiveState") == "active");
  CHECK(installation->machine().property(kUnit, "NRestarts") == "7");
  // Where it is recorded what the life before held.
  CHECK(installation->machine().run({"test", "-e", "/run/vipward/kept"}).exit_code == 0);
}

TEST_CASE("systemd replaces a guardian that no longer turns") {
  const auto installation = Installation::make();
  if (!installation) return;
  installation->set("WatchdogSec", "3s");
  // A stopped process does not die of the watchdog's SIGABRT.
  installation->set("TimeoutAbortSec", "500ms");
  installation->start();
  const pid_t guardian = installation->guardian();
  const pid_t proxy = installation->proxy();
  REQUIRE(guardian > 1);
  // Fed while it turns: longer than the watchdog waits.
  CHECK_FALSE(wait_until([&] { return is_process_gone(guardian); }, 5s));
  CHECK(installation->machine().property(kUnit, "NRestarts") == "0");
  kill(guardian, SIGSTOP);
  CHECK(wait_until([&] { return is_process_gone(guardian) && is_process_gone(proxy); }, 15s));
  CHECK(wait_until([&] { return installation->machine().property(kUnit, "ActiveState") == "active"; },
                   kStartLimit));
  CHECK_MESSAGE(installation->wait_until_it_holds_the_vip(), installation->log());
}

}  // namespace
}  // namespace vipward::test
