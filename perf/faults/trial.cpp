#include "perf/faults/trial.h"

#include <array>
#include <cstdio>
#include <set>

#include "tests/support/wait.h"

namespace vipward::perf {

using namespace std::chrono_literals;
using std::chrono::microseconds;
using std::chrono::milliseconds;

Trial::Trial(const Options& options)
    : pair_(options.pairing.contender, options.pairing.transport),
      holder_(options.is_holder_stronger ? &pair_.lb2() : &pair_.lb1()) {
  if (options.with_peer) {
    pair_.start(*holder_);
  } else {
    pair_.start_alone(*holder_);
  }
  traffic_ = pair_.start_traffic();
}

void Trial::begin() {
  began_ = Clock::now();
  began_on_the_wire_ = test::FrameClock::now();
}

milliseconds Trial::since_begin() const {
  return std::chrono::duration_cast<milliseconds>(Clock::now() - began_);
}

void Trial::let_pass(milliseconds window) const {
  std::this_thread::sleep_until(began_ + window);
}

Outcome Trial::finish() {
  Outcome outcome;
  const std::uint64_t answered = prober().answered();
  outcome.is_dark = !test::wait_until([&] { return prober().answered() > answered; }, 100ms, 5ms);
  prober().stop();
  outcome.gap = prober().longest_gap();
  outcome.clients = clients().tally_since(began_);
  const std::vector<std::string> claims = pair_.sniffer().claims(began_on_the_wire_);
  std::string last = holder().host().name();
  for (const std::string& host : claims) {
    if (host != last) ++outcome.switchovers;
    last = host;
  }
  std::set<std::string> releasing;
  for (const test::AdvertisementFrame& frame : pair_.sniffer().advertisements(began_on_the_wire_)) {
    if (frame.is_release()) releasing.insert(frame.host);
  }
  outcome.releases = static_cast<unsigned>(releasing.size());
  return outcome;
}

std::string in_ms(microseconds time) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.1f ms", static_cast<double>(time.count()) / 1000);
  return text.data();
}

}  // namespace vipward::perf
