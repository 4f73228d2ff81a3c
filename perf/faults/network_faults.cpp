// The host lives, and what is around it changes.
#include "perf/faults/fault.h"
#include "tests/support/wait.h"

namespace vipward::perf {

using namespace std::chrono_literals;
using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

// When there was last not exactly one holder, after the moment of the call.
milliseconds time_to_one_holder(test::EdgePair& pair) {
  const auto start = Trial::Clock::now();
  auto settled = start;
  while (Trial::Clock::now() - start < 1s) {
    if (pair.holders() != 1) settled = Trial::Clock::now();
    std::this_thread::sleep_for(2ms);
  }
  return std::chrono::ceil<milliseconds>(settled - start);
}

// How long until the holder has noticed; nothing if it does not within `limit`.
std::optional<milliseconds> time_to_notice(const test::EdgeHost& holder, double before, milliseconds limit) {
  const auto start = Trial::Clock::now();
  const bool noticed = test::wait_until([&] { return holder.conflicts().value_or(0) > before; }, limit);
  if (!noticed) return std::nullopt;
  return std::chrono::duration_cast<milliseconds>(Trial::Clock::now() - start);
}

}  // namespace

std::optional<Outcome> pull_cable(const Pairing& pairing) {
  Trial trial({.pairing = pairing});
  trial.begin();
  trial.holder().host().pull_cable();
  trial.let_pass(2s);
  trial.holder().host().plug_cable();
  const milliseconds settled = time_to_one_holder(trial.pair());
  Outcome outcome = trial.finish();
  outcome.figures.emplace_back("ms from cable back to one holder", settled.count());
  if (settled > 2 * trial.holder().settings().interval) {
    outcome.complaints.emplace_back("more than two intervals until one was active");
  }
  return outcome;
}

std::optional<Outcome> remove_address(const Pairing& pairing) {
  Trial trial({.pairing = pairing});
  trial.begin();
  trial.holder().host().remove_address(trial.pair().vip());
  trial.let_pass(1s);
  return trial.finish();
}

std::optional<Outcome> third_host(const Pairing& pairing) {
  Trial trial({.pairing = pairing});
  test::Host thief = trial.pair().net().host("thief", 66);
  const double before = trial.holder().conflicts().value_or(0);
  trial.begin();
  // Its kernel answers whoever asks. The answer goes to the asker alone.
  thief.add_address(trial.pair().vip());
  trial.pair().client().forget_neighbour(trial.pair().vip());
  const auto silent = time_to_notice(trial.holder(), before, 3s);
  // As hosts announce themselves when a link comes up (ip-sysctl, arp_notify).
  const std::string& name = thief.namespace_name();
  thief.run({"sysctl", "-qw", "net.ipv4.conf.eth0.arp_notify=1"});
  const double between = trial.holder().conflicts().value_or(0);
  test::run_command({"ip", "-n", name, "link", "set", "eth0", "down"});
  test::run_command({"ip", "-n", name, "link", "set", "eth0", "up"});
  const auto claimed = time_to_notice(trial.holder(), between, 3s);
  Outcome outcome = trial.finish();
  if (silent) outcome.figures.emplace_back("ms until it was noticed that it answers", silent->count());
  if (claimed) outcome.figures.emplace_back("ms until its announcement was noticed", claimed->count());
  outcome.note = std::string(silent ? "" : "not noticed while it only answers") +
                 (claimed ? "" : "; its announcement not noticed either");
  if (!silent || !claimed) outcome.complaints.emplace_back("not detected");
  return outcome;
}

}  // namespace vipward::perf
