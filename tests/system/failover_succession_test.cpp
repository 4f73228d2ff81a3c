// Reload and upgrade of a host that holds the VIP, and of one that stands by: the other one sees nothing of
// it.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>

#include "tests/support/wait.h"
#include "tests/system/edge_pair.h"
#include "tests/system/vipward_edge.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

const IpAddress kSecond = *IpAddress::parse("10.77.0.101");
constexpr const char* kBothVips = "[10.77.0.100/24, 10.77.0.101/24]";
constexpr const char* kFirstVip = "[10.77.0.100/24]";
constexpr const char* kRestart = ": this needs a restart of vipward, on the standby first\n";

// With the configuration that the host has now; it has to work. What it prints.
std::string reload(VipwardEdge& edge) {
  edge.write_config();
  const CommandResult result = edge.daemon().command({"reload"});
  CHECK_MESSAGE(result.exit_code == 0, result.standard_error);
  return result.standard_output;
}

// The longest time between two advertisements of a host, or since the last one, in intervals of its own.
double longest_silence(const EdgePair& pair, EdgeHost& host, FrameTime since) {
  const FrameTime now = FrameClock::now();
  const auto frames = pair.sniffer().advertisements_of(host.host(), since);
  REQUIRE(frames.size() >= 2);
  std::chrono::nanoseconds longest = now - frames.back().time;
  for (std::size_t i = 1; i < frames.size(); ++i)
    longest = std::max(longest, frames[i].time - frames[i - 1].time);
  return static_cast<double>(longest.count()) /
         static_cast<double>(std::chrono::nanoseconds(host.settings().interval).count());
}

TEST_CASE("reloads and upgrades of the holder: no transition, no late advertisement, no session lost") {
  Contender standby = Contender::Keepalived;
  SUBCASE("keepalived stands by") {}
  SUBCASE("vipward stands by") {
    standby = Contender::Vipward;
  }
  EdgePair pair(Contender::Vipward, standby);
  pair.start(pair.lb1());
  Daemon& vipward = as_vipward(pair.lb1()).daemon();
  const auto clients = pair.connect_clients();
  // As patient as a client is: who is served late has still been served.
  const auto prober = pair.client().call(
      [&] { return std::make_unique<Prober>(Prober::Options{.target = pair.service(), .limit = 5s}); });
  const FrameTime before = FrameClock::now();
  for (int i = 0; i < 10; ++i) {
    const CommandResult result = vipward.command({i % 4 == 3 ? "upgrade" : "reload"});
    CHECK_MESSAGE(result.exit_code == 0, result.standard_error);
    CHECK(pair.is_only_holder(pair.lb1()));
  }
  // Two intervals are the bar on a quiet machine (perf/reload measures); three would be a transition.
  CHECK(longest_silence(pair, pair.lb1(), before) < 3);
  CHECK(pair.sniffer().claims(before) == std::vector<std::string>{"lb1"});
  CHECK(clients->ask_again(5s) == 20);
  prober->stop();
  CHECK_MESSAGE(prober->failures().empty(), prober->failures_by_kind());
  CHECK(prober->answered() > 0);
  CHECK(pair.is_only_holder(pair.lb1()));
  CHECK(vipward.metrics().value("vipward_vip_transitions_total", {{"to", "active"}}) == 1);
  CHECK(vipward.metrics().value("vipward_vip_state", {{"state", "active"}}) == 1);
}

TEST_CASE("reloads of the standby: the holder is not disturbed, and the standby still takes over") {
  EdgePair pair(Contender::Vipward);
  pair.start(pair.lb1());
  Daemon& standby = as_vipward(pair.lb2()).daemon();
  const FrameTime before = FrameClock::now();
  for (int i = 0; i < 5; ++i) CHECK(standby.command({"reload"}).exit_code == 0);
  CHECK(pair.sniffer().claims(before) == std::vector<std::string>{"lb1"});
  CHECK(pair.is_only_holder(pair.lb1()));
  pair.lb1().signal_everything(SIGKILL);
  CHECK_MESSAGE(pair.wait_for_holder(pair.lb2(), 5s), pair.holders_text());
}

TEST_CASE("an address of the VIP that is added is set and announced at once, without a transition") {
  EdgePair pair(Contender::Vipward);
  pair.start(pair.lb1());
  VipwardEdge& holder = as_vipward(pair.lb1());
  const FrameTime before = FrameClock::now();
  holder.set_vip_key("addresses", kBothVips);
  CHECK(reload(holder).find("vip: addresses 10.77.0.101/24 added\n") != std::string::npos);
  CHECK(pair.lb1().host().has_address(kSecond));
  CHECK(
      wait_until([&] { return !pair.sniffer().claims_of(pair.lb1().host(), kSecond, before).empty(); }, 5s));
  CHECK(pair.is_only_holder(pair.lb1()));
  CHECK(pair.sniffer().claims(before) == std::vector<std::string>{"lb1"});
}

TEST_CASE("an address of the VIP that is removed: its sessions are reset, those of the other one go on") {
  EdgePair pair(Contender::Vipward);
  for (EdgeHost* host : {&pair.lb1(), &pair.lb2()}) {
    as_vipward(*host).set_vip_key("addresses", kBothVips);
    as_vipward(*host).set_service_key("listen", "\"vip:6443\"");
    as_vipward(*host).set_service_key("first_data_timeout", "60s");
  }
  pair.start(pair.lb1());
  VipwardEdge& holder = as_vipward(pair.lb1());
  const auto clients_of = [&](const IpAddress& address) {
    return pair.client().call([&] {
      return std::make_unique<EstablishedClients>(
          EstablishedClients::Options{.target = {address, 6443}, .idle = 10, .silent = 3});
    });
  };
  const auto stay = clients_of(pair.vip());
  const auto go = clients_of(kSecond);
  const FrameTime before = FrameClock::now();
  holder.set_vip_key("addresses", kFirstVip);
  CHECK(reload(holder).find("vip: addresses 10.77.0.101/24 removed\n") != std::string::npos);
  CHECK_FALSE(pair.lb1().host().has_address(kSecond));
  CHECK(go->wait_until_ended(5s));
  CHECK_MESSAGE(go->tally_since({}).all_reset(), to_string(go->tally_since({})));
  CHECK(wait_until(
      [&] {
        return holder.daemon().metrics().value("vipward_connections_closed_total",
                                               {{"reason", "vip_released"}}) == 13;
      },
      5s));
  CHECK(stay->ask_again(5s) == 10);
  CHECK(stay->tally_since({}).hanging == 13);
  CHECK(pair.served_by(5s) == pair.lb1().host().address().to_string());
  CHECK(pair.is_only_holder(pair.lb1()));
  CHECK(pair.sniffer().claims(before) == std::vector<std::string>{"lb1"});
}

TEST_CASE("priority and advertise_interval change with the next advertisement, without a transition") {
  EdgePair pair(Contender::Vipward);
  pair.start(pair.lb1());
  VipwardEdge& holder = as_vipward(pair.lb1());
  const FrameTime before = FrameClock::now();
  holder.settings().priority = 77;
  holder.settings().interval = 300ms;
  const std::string answer = reload(holder);
  CHECK(answer.find("vip: priority 100 -> 77\n") != std::string::npos);
  CHECK(answer.find("vip: advertise_interval 100ms -> 300ms\n") != std::string::npos);
  const auto changed = [&] {
    auto frames = pair.sniffer().advertisements_of(pair.lb1().host(), before);
    std::erase_if(frames, [](const AdvertisementFrame& frame) { return frame.priority != 77; });
    return frames;
  };
  REQUIRE(wait_until([&] { return changed().size() >= 5; }, 10s));
  const auto frames = changed();
  for (const AdvertisementFrame& frame : frames) CHECK(frame.interval == 300ms);
  // As it says, so it does; the first one may have been late.
  CHECK(frames[4].time - frames[0].time >= 3 * 300ms);
  CHECK(pair.is_only_holder(pair.lb1()));
  CHECK(pair.sniffer().claims(before) == std::vector<std::string>{"lb1"});
}

TEST_CASE("another peer: it is told from the next advertisement on, and becomes the backup") {
  EdgePair pair(Contender::Vipward);
  const Host former = pair.net().host("lb3", 23);
  VipwardEdge& holder = as_vipward(pair.lb1());
  holder.set_vip_key("peers", "[10.77.0.21, 10.77.0.23]");
  pair.start_alone(pair.lb1());
  const auto last_told = [&] {
    const auto frames = pair.sniffer().advertisements_of(pair.lb1().host());
    return frames.empty() ? IpAddress() : frames.back().destination;
  };
  CHECK(wait_until([&] { return last_told() == former.address(); }, 5s));
  const FrameTime before = FrameClock::now();
  holder.set_vip_key("peers", "[10.77.0.21, 10.77.0.22]");
  const std::string answer = reload(holder);
  CHECK(answer.find("vip: peers 10.77.0.23 removed\n") != std::string::npos);
  CHECK(answer.find("vip: peers 10.77.0.22 added\n") != std::string::npos);
  CHECK(wait_until([&] { return last_told() == pair.lb2().host().address(); }, 5s));
  pair.lb2().start();
  CHECK(wait_until([&] { return pair.lb2().is_ready(); }, 15s));
  CHECK(pair.is_only_holder(pair.lb1()));
  CHECK(pair.sniffer().claims(before) == std::vector<std::string>{"lb1"});
  CHECK(last_told() == pair.lb2().host().address());
}

TEST_CASE("what a virtual router is known by does not change with a reload") {
  EdgePair pair(Contender::Vipward);
  pair.start_alone(pair.lb1());
  VipwardEdge& holder = as_vipward(pair.lb1());
  const std::string good = holder.config();
  const auto check_refused = [&](const std::string& config, const std::string& change) {
    holder.write_config(config);
    const CommandResult result = holder.daemon().command({"reload"});
    CHECK(result.exit_code == 1);
    CHECK(result.standard_error == "vipward reload: nothing changed\n" + change + kRestart);
    CHECK(pair.is_only_holder(pair.lb1()));
  };
  const auto with = [&](const std::string& key, const std::string& value) {
    return replaced(good, "vip: {", "vip: {" + key + ": " + value + ", ");
  };
  check_refused(replaced(good, "virtual_router_id: 100", "virtual_router_id: 101"),
                "vip.virtual_router_id 100 -> 101");
  check_refused(with("interface", "eth0"), "vip.interface auto -> eth0");
  const std::size_t section = good.find("vip: {");
  check_refused(replaced(good, good.substr(section, good.find('\n', section) + 1 - section), ""),
                "vip: removed");
  holder.write_config(good);
  CHECK(holder.daemon().command({"reload"}).exit_code == 0);
  CHECK(pair.is_only_holder(pair.lb1()));
}

}  // namespace
}  // namespace vipward::test
