// One fault on one fresh pair of edge hosts: one holds the VIP, the other (unless alone) stands by, a prober
// and established clients are in front of them. What those saw is the Outcome. Main thread.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/system/edge_pair.h"

namespace vipward::perf {

struct Outcome {
  std::chrono::microseconds gap{0};  // the longest time in which no new request was answered
  bool is_dark = false;              // nobody answered at the end either: the gap is at least that
  test::EstablishedClients::Tally clients{};
  unsigned switchovers = 0;  // changes of who advertises
  unsigned releases = 0;     // priority 0, counted once for each host that sent it
  std::string note{};
  // Other figures: words that end in what is counted, "ms until ..." or "adverts after ...".
  std::vector<std::pair<std::string, std::int64_t>> figures{};
  // What is wrong besides the figures above, a sentence each.
  std::vector<std::string> complaints{};
};

// Who runs on both hosts, and how they speak.
struct Pairing {
  test::Contender contender{};
  test::Transport transport{};
};

class Trial {
 public:
  using Clock = std::chrono::steady_clock;
  struct Options {
    Pairing pairing;
    bool with_peer = true;
    // lb2 holds the VIP, which has the higher address, and whose ARP answers are a little quicker: one that
    // comes back without listening would win.
    bool is_holder_stronger = false;
  };
  // Returns when everything is in place; throws if the contender does not get there.
  explicit Trial(const Options& options);

  test::EdgePair& pair() { return pair_; }
  test::EdgeHost& holder() { return *holder_; }
  test::EdgeHost& standby() { return pair_.other(*holder_); }
  test::Prober& prober() { return *traffic_.prober; }
  test::EstablishedClients& clients() { return *traffic_.clients; }

  // Now: what follows is the fault.
  void begin();
  test::FrameTime began() const { return began_on_the_wire_; }
  Clock::time_point began_at() const { return began_; }
  std::chrono::milliseconds since_begin() const;
  // The time to look at is over when `window` has passed since begin().
  void let_pass(std::chrono::milliseconds window) const;
  // Ends the trial and sums it up.
  Outcome finish();

 private:
  test::EdgePair pair_;
  test::EdgeHost* holder_;
  test::EdgePair::Traffic traffic_;
  Clock::time_point began_{};
  test::FrameTime began_on_the_wire_{};
};

// "12.3 ms"
std::string in_ms(std::chrono::microseconds time);

}  // namespace vipward::perf
