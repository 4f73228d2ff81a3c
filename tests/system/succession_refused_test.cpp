// Whatever is wrong with a configuration or a binary: it is said, and nothing has changed.
#include <doctest/doctest.h>

#include "lb/net/socket.h"
#include "tests/support/wait.h"
#include "tests/system/served_folder.h"

namespace vipward::test {
namespace {

// Tries, and sees that it is the same generation afterwards, with its sessions.
class Unmoved {
 public:
  Unmoved()
      : clients_({.target = vipward_.address(), .bulk = 2, .request = 5, .idle = 5}),
        proxy_(vipward_.proxy()) {}

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

 private:
  ServedFolder vipward_;
  TrafficClients clients_;
  pid_t proxy_;
};

TEST_CASE("every error of a configuration is said as check says it, and the next reload works") {
  Unmoved unmoved;
  const std::string good = unmoved.vipward().config();
  unmoved.vipward().change("access_log: false", "access_lok: false");
  unmoved.vipward().change("protocol: tcp", "protocol: tpc");
  const std::string refusal = unmoved.refusal_of("reload");
  CHECK(refusal.find("services[0].access_lok: unknown key, did you mean access_log?\n") != std::string::npos);
  CHECK(refusal.find("services[0].health_check.protocol: \"tpc\" is unknown") != std::string::npos);
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

TEST_CASE("a port that somebody else has, a file that is missing, a key that is planned") {
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
  CHECK(unmoved.refusal_of("reload").find("planned, not in this version") != std::string::npos);
  unmoved.check_next_works(good);
}

TEST_CASE("an upgrade to what is no vipward, is too old, or crashes") {
  Unmoved unmoved;
  struct Row {
    const char* binary;
    const char* sentence;
  };
  for (const Row& row : {Row{"/usr/bin/true", ": is not vipward\n"}, Row{"/usr/bin/false", ": exit code 1\n"},
                         Row{"/etc/passwd", ": cannot be executed\n"},
                         Row{"/usr/bin/ls", ": does not know how to take over from this version: "}}) {
    CAPTURE(row.binary);
    unmoved.vipward().exchange_binary(row.binary);
    const std::string refusal = unmoved.refusal_of("upgrade");
    CHECK_MESSAGE(refusal.find(row.sentence) != std::string::npos, refusal);
  }
  unmoved.vipward().exchange_binary(CRASHING_PROGRAM);
  const std::string refusal = unmoved.refusal_of("upgrade");
  CHECK_MESSAGE(
      refusal.find("crashed when it read the configuration, killed by signal 6") != std::string::npos,
      refusal);
  unmoved.vipward().exchange_binary();
  CHECK(unmoved.vipward().must({"upgrade"}).starts_with("upgraded from "));
}

}  // namespace
}  // namespace vipward::test
