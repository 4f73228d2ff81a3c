// What `vipward reload` makes of a change in how the hosts of an instance talk to each other, and what a
// start says of a password that it cannot use.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>

#include "tests/support/wait.h"
#include "tests/system/daemon.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

constexpr Millis kLimit = 20s;
constexpr const char* kTogether =
    ": the hosts must change it together: stop vipward on the standby, restart it here, start the standby\n";

// A vipward whose peers are silent, so that it is active once it has waited for them.
class Lone {
 public:
  const TempDir& folder() const { return folder_; }
  void start() { daemon_.emplace(host_, folder_, config()); }
  void start_active() {
    start();
    REQUIRE(wait_until([&] { return holds_vip() && metric("vipward_vip_state", "active") == 1; }, kLimit));
  }
  void set(const std::string& key, const std::string& value) { vip_[key] = value; }
  void check_refused(const std::string& why) {
    const CommandResult result = reload();
    CHECK(result.exit_code == 1);
    CHECK(result.standard_output.empty());
    CHECK(result.standard_error == "vipward reload: nothing changed\n" + why);
    check_unmoved();
  }
  void check_accepted() {
    const CommandResult result = reload();
    CHECK_MESSAGE(result.exit_code == 0, result.standard_error);
    check_unmoved();
  }
  Process& process() { return daemon_->process(); }

 private:
  std::string config() const {
    ConfigText text;
    text.service = {{"listen", "\"vip:6443\""}};
    text.backends = {{"nobody", host_.address(1).to_string()}};
    text.health_check = {{"protocol", "tcp"}};
    text.top = Daemon::top_keys(folder_);
    std::string vip;
    for (const auto& [key, value] : vip_) vip += (vip.empty() ? "{" : ", ") + key + ": " + value;
    text.top["vip"] = vip + "}";
    return text.yaml();
  }
  // Beside what it was before: neither a transition nor the loss of an address.
  CommandResult reload() {
    transitions_ = metric("vipward_vip_transitions_total", "");
    folder_.file("vipward.yaml", config());
    return daemon_->command({"reload"});
  }
  void check_unmoved() {
    CHECK(holds_vip());
    CHECK(metric("vipward_vip_state", "active") == 1);
    CHECK(metric("vipward_vip_transitions_total", "") == transitions_);
    CHECK(process().count_lines("vip state changed .*from=active") == 0);
  }
  bool holds_vip() const { return host_.has_address(*IpAddress::parse("10.77.0.100")); }
  double metric(const char* name, std::string_view state) const {
    const MetricsText metrics = daemon_->metrics();
    return (state.empty() ? metrics.value(name) : metrics.value(name, {{"state", state}})).value_or(-1);
  }

  Network net_;
  Host host_ = net_.host("lb1", 21);
  TempDir folder_;
  std::map<std::string, std::string> vip_{{"addresses", "[10.77.0.100/24, \"fd77::100/64\"]"},
                                          {"peers", "[10.77.0.21, 10.77.0.22]"},
                                          {"startup_delay", "0s"}};
  double transitions_ = 0;
  std::optional<Daemon> daemon_;
};

TEST_CASE("a reload refuses another version and another family of the peers, and the holder stays active") {
  Lone vipward;
  vipward.set("advertise_interval", "1s");
  vipward.start_active();
  vipward.set("version", "2");
  vipward.check_refused(std::string("vip.version 3 -> 2") + kTogether);

  vipward.set("version", "3");
  vipward.set("peers", "[\"fd77::21\", \"fd77::22\"]");
  vipward.check_refused(std::string("vip.peers: VRRP over IPv4 -> IPv6") + kTogether);

  // Without peers the first address tells the family.
  vipward.set("peers", "[]");
  vipward.set("addresses", "[\"fd77::100/64\", 10.77.0.100/24]");
  vipward.check_refused(std::string("vip.peers: VRRP over IPv4 -> IPv6") + kTogether);
}

TEST_CASE("a reload refuses another interval of version 2, which version 3 learns from the peer") {
  SUBCASE("version 2") {
    Lone vipward;
    vipward.set("version", "2");
    vipward.start_active();
    vipward.set("advertise_interval", "2s");
    vipward.check_refused(std::string("vip.advertise_interval 1s -> 2s") + kTogether);
  }
  SUBCASE("version 3") {
    Lone vipward;
    vipward.set("advertise_interval", "1s");
    vipward.start_active();
    vipward.set("advertise_interval", "2s");
    vipward.check_accepted();
  }
}

TEST_CASE(
    "a reload refuses another password, whatever its file is called, and takes the same one elsewhere") {
  Lone vipward;
  vipward.set("version", "2");
  const std::string file = vipward.folder().file("password", "s3cretpw\n");
  vipward.set("v2_password_file", file);
  vipward.start_active();
  const std::string another = std::string("vip.v2_password_file: another password") + kTogether;
  vipward.folder().file("password", "another\n");
  vipward.check_refused(another);
  vipward.folder().file("password", "");
  vipward.check_refused("vip.v2_password_file: " + file +
                        " is empty, allowed: 1 to 8 bytes, and a newline\n");
  REQUIRE(unlink(file.c_str()) == 0);
  vipward.check_refused("vip.v2_password_file: " + file +
                        ": cannot read the file: No such file or directory\n");
  vipward.folder().file("password", "s3cretpw\n");
  REQUIRE(chmod(file.c_str(), 0600) == 0);
  vipward.check_accepted();

  const std::string elsewhere = vipward.folder().file("elsewhere", "other\n");
  vipward.set("v2_password_file", elsewhere);
  vipward.check_refused(another);
  vipward.folder().file("elsewhere", "s3cretpw");
  vipward.check_accepted();
}

TEST_CASE("a start with a password that cannot be used ends with one sentence about its file") {
  Lone vipward;
  vipward.set("version", "2");
  const std::string file = vipward.folder().file("password");
  std::string why;
  SUBCASE("missing") {
    why = file + ": cannot read the file: No such file or directory";
  }
  SUBCASE("a folder") {
    REQUIRE(mkdir(file.c_str(), 0700) == 0);
    why = file + ": cannot read the file: Is a directory";
  }
  SUBCASE("empty") {
    vipward.folder().file("password", "\n");
    why = file + " is empty, allowed: 1 to 8 bytes, and a newline";
  }
  SUBCASE("too long") {
    vipward.folder().file("password", "ninebytes\n");
    why = file +
          " is longer than the field, and keepalived cuts it off after 8 bytes, allowed: 1 to 8 bytes, and a "
          "newline";
  }
  SUBCASE("two lines") {
    vipward.folder().file("password", "one\ntwo\n");
    why = file + " has more than one line, or a zero byte, allowed: 1 to 8 bytes, and a newline";
  }
  vipward.set("v2_password_file", file);
  vipward.start();
  CHECK(vipward.process().wait(kLimit) == 1);
  const std::string log = vipward.process().standard_error();
  CHECK_MESSAGE(log.ends_with("\nvipward: vip.v2_password_file: " + why + "\n"), log);
  CHECK_MESSAGE(vipward.process().count_lines("password|warn|error") == 1, log);
}

TEST_CASE("over IPv6 a reload refuses multicast instead of unicast: the source would be another one") {
  Lone vipward;
  vipward.set("addresses", "[\"fd77::100/64\", 10.77.0.100/24]");
  vipward.set("peers", "[\"fd77::21\", \"fd77::22\"]");
  vipward.start_active();
  vipward.set("peers", "[]");
  vipward.check_refused(std::string("vip.peers: VRRP from the addresses of peers -> link-local addresses") +
                        kTogether);
}

TEST_CASE("a reload takes more peers, and multicast instead of unicast, and the holder stays active") {
  Lone vipward;
  vipward.start_active();
  vipward.set("peers", "[10.77.0.21, 10.77.0.22, 10.77.0.23]");
  vipward.check_accepted();
  vipward.set("peers", "[]");
  vipward.check_accepted();
  vipward.set("peers", "[10.77.0.21, 10.77.0.22]");
  vipward.check_accepted();
}

}  // namespace
}  // namespace vipward::test
