// The guardian and its proxy: what each may do, and that the service outlives whatever becomes of either.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <list>
#include <optional>

#include "tests/support/notify_socket.h"
#include "tests/support/syscall_steps.h"
#include "tests/support/wait.h"
#include "tests/system/guarded.h"
#include "tests/system/standins.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;
// KILL, SETGID, SETUID, NET_BIND_SERVICE, NET_ADMIN and NET_RAW (linux/capability.h).
constexpr std::uint64_t kGuardianCapabilities =
    1ULL << 5 | 1ULL << 6 | 1ULL << 7 | 1ULL << 10 | 1ULL << 12 | 1ULL << 13;

// A few clients of each kind, all of them served.
class Clients {
 public:
  explicit Clients(const Standins& rig) {
    all_.push_back(rig.client());
    REQUIRE(all_.back().get("/whoami").is_ok());
    all_.push_back(rig.client());
    REQUIRE(all_.back().open({.path = "/watch"}).status == 200);
    all_.push_back(rig.byte_client());
    REQUIRE(all_.back().send_bytes("\n") == ClientError::None);
    REQUIRE(all_.back().read_line(5s).error == ClientError::None);
  }
  // All of them, within `limit`; an end of stream would look like a whole answer.
  void check_reset(std::chrono::milliseconds limit) {
    const auto deadline = Clock::now() + limit;
    for (HttpClient& client : all_) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
      CHECK(client.wait_for_end(std::max(left, 1ms)) == ClientError::Reset);
    }
  }

 private:
  std::list<HttpClient> all_;
};

TEST_CASE("the proxy has no capability and no way to one, the guardian those that it needs") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  const pid_t proxy = proxy_of(vipward);
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
    CAPTURE(set);
    CHECK(capabilities_of(proxy, set) == 0);
  }
  CHECK(process_status(proxy, "Uid") == "65534 65534 65534 65534");
  CHECK(process_status(proxy, "Gid") == "65534 65534 65534 65534");
  CHECK(process_status(proxy, "Groups").find_first_of("0123456789") == std::string::npos);
  // Nothing that it executes gives it any (prctl(2)).
  CHECK(process_status(proxy, "NoNewPrivs") == "1");
  CHECK(process_status(proxy, "Name") == "vipward-proxy");

  CHECK(process_status(vipward.pid(), "Uid") == "0 0 0 0");
  CHECK(capabilities_of(vipward.pid(), "CapEff") == kGuardianCapabilities);
  CHECK(capabilities_of(vipward.pid(), "CapPrm") == kGuardianCapabilities);
  CHECK(capabilities_of(vipward.pid(), "CapInh") == 0);
  CHECK(capabilities_of(vipward.pid(), "CapAmb") == 0);
}

TEST_CASE("the proxy command is not for people") {
  const CommandResult result = run_command({Daemon::binary(), "proxy"});
  CHECK(result.exit_code == 2);
  CHECK(result.standard_error == "vipward: proxy is an internal command: `vipward run` starts it\n");
}

TEST_CASE("a killed proxy's clients are reset, others lose less than a second") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  Clients clients(rig);
  Prober prober({.target = Standins::service_address(), .interval = 5ms, .limit = 5s});
  REQUIRE(wait_until([&] { return prober.answered() > 20; }, 5s));
  kill(proxy_of(vipward), SIGKILL);
  clients.check_reset(1s);
  REQUIRE(wait_for_generation(vipward, 2));
  const std::uint64_t answered = prober.answered();
  CHECK(wait_until([&] { return prober.answered() > answered + 20; }, 5s));
  prober.stop();
  CHECK(prober.longest_gap() < 1s);
  // Those that the dead one had accepted.
  for (const Prober::Failure& failure : prober.failures()) CHECK(failure.error == ClientError::Reset);
  CHECK(prober.failures().size() < 20);

  CHECK(vipward.wait_until_ready(rig.names(), 10s));
  CHECK(vipward.metrics().value("vipward_proxy_restarts_total") == 1);
  CHECK(vipward.status().at("generation") == 2);
  CHECK(vipward.process().count_lines(
            "error proxy ended, its clients are reset, the next one starts how=\"killed by signal 9\"") == 1);
  CHECK(vipward.process().count_lines("info  proxy serves generation=[12] ") == 2);
}

TEST_CASE("clients that come while there is no proxy wait, and the next one serves them") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  const pid_t proxy = proxy_of(vipward);
  // So that there is none for as long as this test likes.
  kill(vipward.pid(), SIGSTOP);
  kill(proxy, SIGKILL);
  REQUIRE(wait_until([&] { return is_process_gone(proxy); }, 5s));
  std::list<HttpClient> waiting;
  for (int i = 0; i < 40; ++i) {
    waiting.push_back(rig.byte_client(20s));
    CHECK(waiting.back().send_bytes("\n") == ClientError::None);
    CHECK(waiting.back().read_line(1ms).error == ClientError::Timeout);
  }
  kill(vipward.pid(), SIGCONT);
  for (HttpClient& client : waiting) CHECK(client.read_line(20s).error == ClientError::None);
  CHECK(generation_of(vipward) == 2);
}

TEST_CASE("a stopped proxy is found within about a second, its clients are reset, the next one serves") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  Clients clients(rig);
  const pid_t proxy = proxy_of(vipward);
  kill(proxy, SIGSTOP);
  clients.check_reset(1500ms);
  CHECK(wait_until([&] { return is_process_gone(proxy); }, 1s));
  CHECK(wait_for_generation(vipward, 2));
  CHECK(vipward.process().count_lines("warn  proxy is unfit, it is killed pid=" + std::to_string(proxy) +
                                      " cause=\"(the control loop|worker [0-9]+) stalled\"") == 1);
  CHECK(rig.ask(10).contains("reset") == false);
}

TEST_CASE(
    "a killed guardian's proxy resets its clients and ends by itself, and the next vipward starts at once") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  Clients clients(rig);
  const pid_t proxy = proxy_of(vipward);
  // Not by way of the Process, which would kill the proxy as well.
  kill(vipward.pid(), SIGKILL);
  clients.check_reset(1s);
  CHECK(wait_until([&] { return is_process_gone(proxy); }, 1s));
  CHECK(vipward.process().count_lines("error no guardian, every client is reset") == 1);
  rig.start_ready_vipward();
  CHECK(rig.ask(10).contains("refused") == false);
}

TEST_CASE("SIGTERM ends it within 3 s, exit code 0, whatever state the proxy is in") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  Clients clients(rig);
  const pid_t proxy = proxy_of(vipward);
  SUBCASE("stopped") {
    kill(proxy, SIGSTOP);
  }
  SUBCASE("just killed") {
    kill(proxy, SIGKILL);
  }
  vipward.process().signal(SIGTERM);
  CHECK(vipward.process().wait(3s) == 0);
  clients.check_reset(1s);
  CHECK(is_process_gone(proxy));
  CHECK(rig.byte_client().connect() == ClientError::Refused);
  CHECK_FALSE(fs::exists(rig.folder().file("control.sock")));
}

TEST_CASE("files that only root may read are used by the checks, also after a change and by the next proxy") {
  std::string token = read_file(Standins::pki_file("health.token"));
  Standins rig({"--client-ca", Standins::pki_file("ca.crt"), "--token", token.substr(0, token.find('\n'))});
  const std::string key = rig.folder().file("key", read_file(Standins::pki_file("health.key")));
  const std::string other = rig.folder().file("token", "wrong\n");
  for (const std::string& file : {key, other}) fs::permissions(file, fs::perms{0600});
  ConfigText config = rig.config();
  const std::string tls_start = "{ca_file: \"" + Standins::pki_file("ca.crt") + "\"";
  SUBCASE("a key") {
    config.health_check["tls"] = tls_start + ", certificate_file: \"" + Standins::pki_file("health.crt") +
                                 "\", key_file: \"" + key + "\"}";
    Daemon& vipward = rig.start_ready_vipward(config);
    CHECK_FALSE(run_command({"cat", key}, 5s, {.user = kNobody}).succeeded());
    fs::remove(key);
    REQUIRE(vipward.process().wait_for_line("check files changed but cannot be used.*" + key, 10s));
    kill(proxy_of(vipward), SIGKILL);
    REQUIRE(wait_for_generation(vipward, 2));
    CHECK(vipward.wait_until_ready(rig.names(), 10s));
  }
  SUBCASE("a token") {
    config.health_check["bearer_token_file"] = "\"" + other + "\"";
    Daemon& vipward = rig.start_vipward(config);
    REQUIRE(vipward.wait_for_state("master-1", "not_ready", 10s));
    const mode_t before = umask(077);
    write_file(other, token);
    umask(before);
    CHECK(vipward.wait_until_ready(rig.names(), 10s));
    kill(proxy_of(vipward), SIGKILL);
    REQUIRE(wait_for_generation(vipward, 2));
    CHECK(vipward.wait_until_ready(rig.names(), 10s));
  }
}

// The next proxy has had its files already when it hears its first word.
TEST_CASE("a file that changes in the middle of a reload is used by the next proxy; one that goes is said") {
  std::string token = read_file(Standins::pki_file("health.token"));
  Standins rig({"--client-ca", Standins::pki_file("ca.crt"), "--token", token.substr(0, token.find('\n'))});
  const std::string file = rig.folder().file("token", "wrong\n");
  ConfigText config = rig.config();
  config.health_check["bearer_token_file"] = "\"" + file + "\"";
  Daemon& vipward = rig.start_vipward(config);
  REQUIRE(vipward.wait_for_state("master-1", "not_ready", 10s));
  bool changes = false;
  SUBCASE("changes") {
    changes = true;
  }
  SUBCASE("goes") {}
  std::atomic<bool> done{false};
  {
    const SyscallSteps tracer({.parent = vipward.pid(),
                               .elder = proxy_of(vipward),
                               .younger_command = "proxy",
                               .numbers = {SYS_recvmsg},
                               .on_step = [&](const SyscallSteps::Step& step) {
                                 if (step.who != SyscallSteps::Who::Younger || done.exchange(true)) return;
                                 if (changes) write_file(file, token);
                                 if (!changes) fs::remove(file);
                               }});
    CHECK(vipward.command({"reload"}).exit_code == 0);
  }
  REQUIRE(done);
  if (changes) {
    CHECK(vipward.wait_until_ready(rig.names(), 10s));
  } else {
    CHECK(vipward.process().wait_for_line("check files changed but cannot be used.*" + file, 10s));
  }
}

TEST_CASE("twenty deaths in a row leave a service that works and a guardian that has lost nothing") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  const std::size_t descriptors = descriptors_of(vipward.pid()).size();
  constexpr unsigned kDeaths = 20;
  for (unsigned i = 1; i <= kDeaths; ++i) {
    kill(proxy_of(vipward), SIGKILL);
    REQUIRE(wait_for_generation(vipward, i + 1));
  }
  CHECK(vipward.wait_until_ready(rig.names(), 10s));
  CHECK(rig.ask(30).size() == 3);
  CHECK(vipward.metrics().value("vipward_proxy_restarts_total") == kDeaths);
  CHECK(wait_for_descriptors(vipward.pid(), descriptors));
}

// While it lives, what the guardian starts as another user has no thread (RLIMIT_NPROC, getrlimit(2)).
class NoProxyStarts {
 public:
  explicit NoProxyStarts(pid_t guardian) : guardian_(guardian) {
    REQUIRE(prlimit(guardian_, RLIMIT_NPROC, nullptr, &before_) == 0);
    const rlimit none{.rlim_cur = 0, .rlim_max = before_.rlim_max};
    REQUIRE(prlimit(guardian_, RLIMIT_NPROC, &none, nullptr) == 0);
  }
  ~NoProxyStarts() { prlimit(guardian_, RLIMIT_NPROC, &before_, nullptr); }
  NoProxyStarts(const NoProxyStarts&) = delete;
  NoProxyStarts& operator=(const NoProxyStarts&) = delete;

 private:
  pid_t guardian_;
  rlimit before_{};
};

TEST_CASE("while no proxy can be started it is tried with pauses, the status says DOWN, and clients wait") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  const std::size_t descriptors = descriptors_of(vipward.pid()).size();
  const auto deaths = [&] { return vipward.process().count_lines("proxy ended.*how=\"exit code (1|127)\""); };
  std::optional<NoProxyStarts> none(vipward.pid());
  kill(proxy_of(vipward), SIGKILL);
  REQUIRE(wait_until([&] { return deaths() >= 5; }, 10s));

  const CommandResult status = vipward.command({"status"});
  CHECK(status.exit_code == 1);
  CHECK(status.standard_output == "DOWN: no proxy serves now, the next one is being started\n");
  CHECK(status.standard_error.empty());
  const CommandResult json = vipward.command({"status", "--json"});
  CHECK(json.exit_code == 1);
  CHECK(json.standard_output.empty());
  CHECK(json.standard_error == "DOWN: no proxy serves now, the next one is being started\n");

  // 100 ms apart by now.
  const std::size_t before = deaths();
  const auto start = Clock::now();
  REQUIRE(wait_until([&] { return deaths() >= before + 5; }, 20s));
  CHECK(Clock::now() - start > 300ms);

  HttpClient client = rig.byte_client(20s);
  CHECK(client.send_bytes("\n") == ClientError::None);
  none.reset();
  CHECK(client.read_line(20s).error == ClientError::None);
  CHECK(vipward.wait_until_ready(rig.names(), 10s));
  CHECK(vipward.command({"status"}).exit_code == 0);
  CHECK(wait_for_descriptors(vipward.pid(), descriptors));
}

TEST_CASE("a first proxy that cannot be started ends it, with how that ended") {
  Standins rig;
  ConfigText config = rig.config();
  const std::string file = rig.folder().file("vipward.yaml", config.yaml());
  const CommandResult result =
      run_command({"prlimit", "--nproc=0:", Daemon::binary(), "run", "-c", file}, 10s);
  CHECK(result.exit_code == 1);
  // It could be executed or not, depending on whether nobody has a process elsewhere.
  CHECK_MESSAGE((result.standard_error.ends_with("\nvipward: the proxy did not start: exit code 1\n") ||
                 result.standard_error.ends_with("\nvipward: the proxy did not start: exit code 127\n")),
                result.standard_error);
  CHECK_FALSE(fs::exists(rig.folder().file("control.sock")));
}

TEST_CASE("release and resume say that there is no VIP") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  for (const std::string command : {"release", "resume"}) {
    const CommandResult result = vipward.command({command});
    CHECK(result.exit_code == 1);
    CHECK(result.standard_output.empty());
    CHECK(result.standard_error ==
          "vipward " + command + ": there is no vip section in the configuration, nothing to release\n");
  }
  CHECK(vipward.command({"status"}).exit_code == 0);
}

TEST_CASE("systemd hears that it serves, that it lives, and that it stops") {
  Standins rig;
  NotifySocket systemd(rig.folder().file("notify"));
  Daemon& vipward =
      rig.start_vipward(rig.config(), {.environment = {systemd.environment(), "WATCHDOG_USEC=1000000"}});
  REQUIRE(systemd.wait_for("READY=1", 10s));
  CHECK(generation_of(vipward) == 1);
  systemd.forget();
  CHECK(systemd.wait_for("WATCHDOG=1", 10s));
  // Not again with the next proxy.
  kill(proxy_of(vipward), SIGKILL);
  REQUIRE(wait_for_generation(vipward, 2));
  vipward.process().signal(SIGTERM);
  CHECK(systemd.wait_for("STOPPING=1", 10s));
  CHECK_FALSE(systemd.has_heard("READY=1"));
  CHECK(vipward.process().wait(3s) == 0);
}

// Everything that vipward needs there belongs to nobody.
ConfigText config_for_nobody(const Standins& rig) {
  ConfigText config = rig.config();
  const std::string ca = rig.folder().file("ca.crt", read_file(Standins::pki_file("ca.crt")));
  config.health_check["tls"] = "{ca_file: \"" + ca + "\"}";
  for (const std::string& path : {rig.folder().path().string(), ca}) {
    REQUIRE(chown(path.c_str(), kNobody, kNobody) == 0);
  }
  return config;
}

TEST_CASE("started by another user than root both processes are that user's, and it works all the same") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward(config_for_nobody(rig), {.user = kNobody});
  for (const pid_t pid : {vipward.pid(), proxy_of(vipward)}) {
    CHECK(process_status(pid, "Uid") == "65534 65534 65534 65534");
    CHECK(capabilities_of(pid, "CapPrm") == 0);
  }
  CHECK(rig.ask(30).size() == 3);
  Clients clients(rig);
  kill(proxy_of(vipward), SIGSTOP);
  clients.check_reset(1500ms);
  REQUIRE(wait_for_generation(vipward, 2));
  vipward.process().signal(SIGTERM);
  CHECK(vipward.process().wait(3s) == 0);
}

TEST_CASE("a control socket for the proxy's own group is refused with one sentence, and nothing is opened") {
  Standins rig;
  ConfigText config = rig.config();
  config.top["user"] = "nobody";
  config.top["control_socket"] =
      "{path: " + rig.folder().file("grouped.sock") + ", mode: \"0660\", group: nogroup}";
  Daemon& vipward = rig.start_vipward(config);
  CHECK(vipward.process().wait(10s) == 1);
  CHECK(vipward.log() ==
        "vipward: control_socket.group: nogroup is the group of the key user, whose process could then "
        "command vipward; allowed: another group\n");
  CHECK_FALSE(fs::exists(rig.folder().file("grouped.sock")));
}

TEST_CASE("a control socket for everybody is refused as well, where the proxy is somebody else") {
  Standins rig;
  ConfigText config = rig.config();
  config.top["user"] = "nobody";
  config.top["control_socket"] = "{path: " + rig.folder().file("open.sock") + ", mode: \"0666\"}";
  Daemon& vipward = rig.start_vipward(config);
  CHECK(vipward.process().wait(10s) == 1);
  CHECK(vipward.log() ==
        "vipward: control_socket.mode: 0666 lets everybody command vipward, the process of the key user as "
        "well; allowed: no right to write for others, such as 0660 with control_socket.group\n");
  CHECK_FALSE(fs::exists(rig.folder().file("open.sock")));
}

TEST_CASE("a VIP without the rights for it is refused with one sentence") {
  Standins rig;
  ConfigText config = config_for_nobody(rig);
  config.top["vip"] = "{addresses: [10.77.0.100/24], peers: [10.77.0.21, 10.77.0.22], virtual_router_id: 7}";
  Daemon& vipward = rig.start_vipward(config, {.user = kNobody});
  CHECK(vipward.process().wait(10s) == 1);
  CHECK(vipward.log() ==
        "vipward: vip: CAP_NET_ADMIN and CAP_NET_RAW are missing; start vipward as root or with these "
        "capabilities, or leave out the vip section\n");
}

}  // namespace
}  // namespace vipward::test
