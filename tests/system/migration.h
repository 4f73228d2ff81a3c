// kubeadm's pair of edge hosts in front of a real control plane, and README's page "From keepalived to
// vipward" followed on it, under new connections all the time and under watches that are taken up again as
// client-go does. What a client saw is kept as a table, which is printed at the end. Test's main thread.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/prober.h"
#include "tests/system/followed_watch.h"
#include "tests/system/holder_watch.h"
#include "tests/system/migration_page.h"
#include "tests/system/page_host.h"

namespace vipward::test {

// What a client saw of one turn of the page.
struct TurnOutcome {
  std::string what;
  std::chrono::microseconds gap{0};  // the longest one of new connections
  std::string failed;                // of those, by kind; "none"
  std::size_t failures = 0;          // of those
  std::vector<FollowedWatch::Loss> losses;
  unsigned most_losses = 0;                    // of one watch
  unsigned hanging = 0;                        // watches that neither ended nor told
  std::chrono::microseconds first_loss{0};     // since the first command was given
  std::chrono::microseconds last_loss{0};      // since the first one
  std::chrono::microseconds longest_pause{0};  // of a watch, until it was one again
  std::chrono::microseconds two_holders{0};
};

class Migration {
 public:
  static constexpr unsigned kQuietWatches = 8;  // told of one event a turn
  static constexpr unsigned kBusyWatches = 3;
  static constexpr unsigned kWatches = kQuietWatches + kBusyWatches;

  // The pair of the guide serves, edge_1() as the holder, and the traffic flows.
  Migration();
  ~Migration();
  Migration(const Migration&) = delete;
  Migration& operator=(const Migration&) = delete;

  PageHost& edge_1() { return edges_.front(); }
  PageHost& edge_2() { return edges_.back(); }
  std::size_t count_steps() const { return page_.size(); }
  // The turns of a step, counted from 1. After each the one of `holders` in its place has the address.
  std::vector<TurnOutcome> follow(std::size_t step, const std::vector<PageHost*>& holders);
  // One of them alone, counted from 1.
  TurnOutcome follow_turn(std::size_t step, std::size_t turn, PageHost& holder);
  // The same for what is no step.
  TurnOutcome measure(const std::string& what, PageHost& holder, const std::function<void()>& action);
  // Every watch was told of every number, once and in order.
  void check_events();
  std::string logs() const { return edges_.front().log() + edges_.back().log(); }

 private:
  void start_kubeadm_pair();
  void give(const PageStep::Turn& turn);
  void settle(PageHost& holder);
  void start_prober();
  TurnOutcome outcome(const std::string& what, std::chrono::steady_clock::time_point start);
  unsigned count_hanging();

  std::vector<PageStep> page_ = read_migration_page();
  std::list<PageHost> edges_;
  std::optional<HolderWatch> holder_watch_;
  std::unique_ptr<Prober> prober_;
  std::optional<NumberedConfigMap> quiet_;
  std::optional<NumberedConfigMap> busy_;
  std::list<FollowedWatch> quiet_watches_;
  std::list<FollowedWatch> busy_watches_;
  std::optional<SteadyWriter> writer_;
  std::vector<TurnOutcome> outcomes_;
};

}  // namespace vipward::test
