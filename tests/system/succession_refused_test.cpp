// Whatever is wrong with a configuration or a binary: it is said, and nothing has changed.
#include <doctest/doctest.h>

#include "lb/net/socket.h"
#include "tests/support/wait.h"
#include "tests/system/guarded.h"
#include "tests/system/served_folder.h"

namespace vipward::test {
namespace {

// Tries, and sees that it is the same generation afterwards, with its sessions, that it lets new ones in, and
// that nothing of the attempt is left.
class Unmoved {
 public:
  Unmoved()
      : clients_({.target = vipward_.address(), .bulk = 2, .request = 5, .idle = 5}),
        proxy_(vipward_.proxy()),
        descriptors_(descriptors_of(vipward_.guardian()).size()) {}

  ServedFolder& vipward() { return vipward_; }
  // What it says after "vipward COMMAND: nothing changed\n".
  std::string refusal_of(const std::string& command) {
    const CommandResult result = vipward_.command({command});
    CHECK(result.exit_code == 1);
    CHECK(result.standard_output.empty());
    CHECK(vipward_.proxy() == proxy_);
    CHECK(vipward_.metric("vipward_generation") == 1);
    CHECK(wait_until([this] { return vipward_.metric("vipward_config_last_reload_successful") == 0; },
                     std::chrono::seconds{20}));
    CHECK(clients_.tally().ended() == 0);
    CHECK(clients_.count_stuck(std::chrono::seconds{20}) == 0);
    CHECK_NOTHROW(TrafficClients({.target = vipward_.address(), .request = 1}));
    CHECK(wait_for_descriptors(vipward_.guardian(), descriptors_));
    const std::string head = "vipward " + command + ": nothing changed\n";
    CHECK_MESSAGE(result.standard_error.starts_with(head), result.standard_error);
    return result.standard_error.substr(std::min(head.size(), result.standard_error.size()));
  }
  // The same again without the fault works, and the metric says so.
  void check_next_works(const std::string& good_config) {
    vipward_.write_config(good_config);
    vipward_.must({"reload"});
    CHECK(vipward_.metric("vipward_config_last_reload_successful") == 1);
    CHECK(clients_.tally().ended() == 0);
  }
  // And so does an upgrade to the real program.
  void check_upgrade_works() {
    vipward_.exchange_binary();
    CHECK(vipward_.must({"upgrade"}).starts_with("upgraded from "));
    CHECK(vipward_.metric("vipward_config_last_reload_successful") == 1);
    CHECK(clients_.tally().ended() == 0);
    CHECK(clients_.count_stuck(std::chrono::seconds{20}) == 0);
  }

 private:
  ServedFolder vipward_;
  TrafficClients clients_;
  pid_t proxy_;
  std::size_t descriptors_;
};

TEST_CASE("every error of a configuration is said as check says it, and the next reload works") {
  Unmoved unmoved;
  const std::string good = unmoved.vipward().config();
  const std::string file = unmoved.vipward().config_file();
  struct Row {
    std::string mistaken;
    std::string said;  // among others
  };
  const std::string two = replaced(good, "access_log: false", "access_lok: false");
  for (const Row& row :
       {Row{two, "services[0].access_lok: unknown key, did you mean access_log?\n"},
        Row{replaced(two, "protocol: tcp", "protocol: tpc"), "\"tpc\" is unknown, allowed: https, http, "},
        Row{replaced(good, "drain: {timeout: 2s}", "drain: {timeout: 2s"), "not valid YAML: "},
        Row{replaced(good, "access_log: false", "connect: {timeout: 8s, deadline: 5s}"),
            "services[0].connect.timeout: 8s must not exceed connect.deadline (5s)\n"}}) {
    unmoved.vipward().write_config(row.mistaken);
    const CommandResult check = run_command({Daemon::binary(), "check", "-c", file});
    CHECK(check.exit_code == 1);
    CHECK_MESSAGE(check.standard_error.find(row.said) != std::string::npos, check.standard_error);
    CHECK(unmoved.refusal_of("reload") == check.standard_error);
  }
  unmoved.check_next_works(good);
}

TEST_CASE("what needs a restart is refused, each with its own line") {
  Unmoved unmoved;
  const std::string good = unmoved.vipward().config();
  unmoved.vipward().change("user: nobody", "user: daemon");
  unmoved.vipward().change("control.sock\"", "control2.sock\"");
  const std::string refusal = unmoved.refusal_of("reload");
  CHECK(refusal.find("user nobody -> daemon: this needs a restart of vipward") != std::string::npos);
  CHECK(refusal.find("control_socket.path ") != std::string::npos);
  unmoved.check_next_works(good);
}

TEST_CASE("a port that somebody else has, a file that is missing, a VIP that was not there") {
  Unmoved unmoved;
  const std::string good = unmoved.vipward().config();
  const Fd taken = listen_tcp(unmoved.vipward().another_address());
  const std::string port = unmoved.vipward().another_address().to_string();
  unmoved.vipward().change("listen: [\"", "listen: [\"" + port + "\", \"");
  CHECK(unmoved.refusal_of("reload") == "cannot listen on " + port + ": Address already in use\n");

  unmoved.vipward().write_config(good);
  unmoved.vipward().change("{protocol: tcp, interval: 100ms}", "{tls: {ca_file: /nonexistent/ca.crt}}");
  CHECK(unmoved.refusal_of("reload") ==
        "api.health_check.tls.ca_file: /nonexistent/ca.crt: No such file or directory\n");

  unmoved.vipward().write_config(good + "vip: {addresses: [10.0.0.100/24]}\n");
  CHECK(unmoved.refusal_of("reload").find("vip: added: this needs a restart of vipward") !=
        std::string::npos);
  unmoved.check_next_works(good);
}

TEST_CASE("an upgrade to what is no vipward, or is too old") {
  Unmoved unmoved;
  struct Row {
    const char* binary;
    const char* sentence;
  };
  for (const Row& row : {Row{"/usr/bin/true", ": is not vipward\n"}, Row{"/usr/bin/false", ": exit code 1\n"},
                         Row{"/etc/passwd", ": cannot be executed\n"}}) {
    CAPTURE(row.binary);
    unmoved.vipward().exchange_binary(row.binary);
    CHECK(unmoved.refusal_of("upgrade") == unmoved.vipward().binary() + row.sentence);
  }
  unmoved.vipward().exchange_binary("/usr/bin/ls");
  const std::string refusal = unmoved.refusal_of("upgrade");
  CHECK_MESSAGE(refusal.starts_with(unmoved.vipward().binary() +
                                    ": does not know how to take over from this version: "),
                refusal);
  unmoved.check_upgrade_works();
}

// A program that does as the real one does, but for this (misbehaving_program.cpp).
void check_refused(const std::string& misbehaviour, const std::string& sentence) {
  CAPTURE(misbehaviour);
  Unmoved unmoved;
  const TempDir folder;
  unmoved.vipward().exchange_binary(
      folder.file("program", read_file(MISBEHAVING_PROGRAM) + "\nmisbehaviour: " + misbehaviour));
  const std::string subject = sentence.starts_with(": ") ? unmoved.vipward().binary() : "";
  CHECK(unmoved.refusal_of("upgrade") == subject + sentence + "\n");
  unmoved.check_upgrade_works();
}

TEST_CASE("an upgrade to what crashes when it reads the configuration") {
  check_refused("crashes in accept", ": crashed when it read the configuration, killed by signal 6");
}

TEST_CASE("an upgrade to what never comes to an end of the configuration") {
  check_refused("hangs in accept", ": did not come to an end within 10 s when it read the configuration");
}

TEST_CASE("an upgrade to what accepts the configuration, but not the state") {
  check_refused("does not know the state",
                "the running version leaves its state in form 47112, this one understands 2");
}

TEST_CASE("an upgrade to what accepts everything, and whose proxy ends") {
  check_refused("crashes as proxy", "the next proxy ended before it had taken over: killed by signal 6");
  check_refused("leaves as proxy", "the next proxy ended before it had taken over: exit code 3");
}

TEST_CASE("an upgrade to what accepts everything, and whose proxy is never prepared") {
  check_refused("hangs as proxy", "the next proxy was not prepared within 10 s");
}

TEST_CASE("an upgrade to what accepts everything, and whose proxy is no proxy") {
  check_refused("talks nonsense as proxy", "the next proxy is unfit: it sent what is no message");
  check_refused("closes its channel as proxy", "the next proxy is unfit: it closed its channel");
}

}  // namespace
}  // namespace vipward::test
