#include "tests/system/migration.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>

#include "tests/support/wait.h"
#include "tests/system/counted_events.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

constexpr auto kSettleLimit = 15s;
constexpr auto kSteady = 3s;
// Within which a standby that hears nobody claims the address in version 2, whatever its priority.
constexpr auto kClaimedBy = 4s;
constexpr auto kTellLimit = 5s;
constexpr auto kProbeLimit = 2s;

const IpAddress kVip = *IpAddress::parse("10.77.0.100");

ControlPlane& plane() {
  static ControlPlane made({.service = SocketAddress(kVip, 6443), .anonymous = true});
  return made;
}

bool holds(const PageHost& edge) {
  return edge.host().has_address(kVip);
}

std::string millis(microseconds duration) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.0f ms", static_cast<double>(duration.count()) / 1000);
  return text.data();
}

std::string sessions_text(const TurnOutcome& one) {
  if (one.losses.empty() && one.hanging == 0) return "kept";
  unsigned reset = 0;
  for (const auto& loss : one.losses) reset += loss.how == ClientError::Reset ? 1 : 0;
  std::string text;
  const auto add = [&](std::size_t count, const char* what) {
    if (count > 0) text += (text.empty() ? "" : ", ") + std::to_string(count) + what;
  };
  add(reset, " reset");
  add(one.losses.size() - reset, " ended");
  add(one.hanging, " hanging");
  return text + "; watching again within " + millis(one.longest_pause);
}

void print(const std::vector<TurnOutcome>& outcomes) {
  std::cout
      << "| turn | longest gap | failed new connections | watches | both hold |\n|---|---|---|---|---|\n";
  for (const TurnOutcome& one : outcomes) {
    std::cout << "| " << one.what << " | " << millis(one.gap) << " | " << one.failed << " | "
              << sessions_text(one) << " | " << millis(one.two_holders) << " |\n";
  }
  std::cout << std::flush;
}

}  // namespace

Migration::Migration() {
  KubeadmSettings settings{.masters = {}, .vip = kVip, .is_master = true};
  for (const std::string& master : plane().masters())
    settings.masters.push_back(plane().api_address(master).ip());
  edges_.emplace_back(plane().load_balancer(), settings, plane().pki_file("ca.crt"));
  settings.is_master = false;
  edges_.emplace_back(plane().more_host("lb2", 22), settings, plane().pki_file("ca.crt"));
  plane().heal();
  start_kubeadm_pair();
  holder_watch_.emplace(edge_1().host(), edge_2().host(), kVip);
  static unsigned number = 0;  // names that no case before had
  const std::string suffix = "-" + std::to_string(++number);
  quiet_.emplace(plane(), "quiet" + suffix);
  busy_.emplace(plane(), "busy" + suffix);
  for (unsigned i = 0; i < kQuietWatches; ++i) quiet_watches_.emplace_back(plane(), quiet_->name());
  for (unsigned i = 0; i < kBusyWatches; ++i) busy_watches_.emplace_back(plane(), busy_->name());
  writer_.emplace(plane(), *busy_);
  start_prober();
}

Migration::~Migration() {
  print(outcomes_);
}

void Migration::start_kubeadm_pair() {
  for (PageHost& edge : edges_) {
    edge.run("systemctl enable --now haproxy");
    edge.run("systemctl enable --now keepalived");
  }
  const auto is_settled = [&] {
    return holds(edge_1()) && !holds(edge_2()) && edge_1().is_in_vrrp() && edge_2().is_in_vrrp();
  };
  REQUIRE_MESSAGE(wait_until(is_settled, kSettleLimit), logs());
  // Steadily: one failed check takes a server away from a HAProxy that has just started, and with all three
  // it resets its clients.
  const auto fails = [&] {
    return !plane().client_host().call([] { return plane().client(1s).get("/healthz").is_ok(); });
  };
  const auto serves_steadily = [&] { return !wait_until(fails, kSteady, 20ms); };
  REQUIRE_MESSAGE(wait_until(serves_steadily, 2 * kSettleLimit), logs());
  REQUIRE_MESSAGE(is_settled(), logs());
}

void Migration::start_prober() {
  const InsideNamespace here = plane().client_host().enter();
  prober_ = std::make_unique<Prober>(Prober::Options{.target = plane().service_address(),
                                                     .tls = plane().tls(),
                                                     .path = "/version",
                                                     .interval = 20ms,
                                                     .limit = kProbeLimit});
}

std::vector<TurnOutcome> Migration::follow(std::size_t number, const std::vector<PageHost*>& holders) {
  const PageStep& step = page_.at(number - 1);
  CAPTURE(step.title);
  REQUIRE(step.title.starts_with(std::to_string(number) + "."));
  REQUIRE(step.turns.size() == holders.size());
  if (!step.configuration.empty()) {
    for (PageHost& edge : edges_) edge.set_configuration(step.configuration);
  }
  std::vector<TurnOutcome> outcomes;
  for (std::size_t i = 0; i < holders.size(); ++i)
    outcomes.push_back(follow_turn(number, i + 1, *holders[i]));
  return outcomes;
}

TurnOutcome Migration::follow_turn(std::size_t step, std::size_t number, PageHost& holder) {
  const PageStep::Turn& turn = page_.at(step - 1).turns.at(number - 1);
  return measure(std::to_string(step) + ": " + turn.title, holder, [&] { give(turn); });
}

void Migration::give(const PageStep::Turn& turn) {
  const bool both = turn.host == "both hosts";
  REQUIRE_MESSAGE((both || turn.host == "edge-1" || turn.host == "edge-2"), turn.host);
  for (const std::string& command : turn.commands) {
    if (both || turn.host == "edge-1") edge_1().run(command);
    if (both || turn.host == "edge-2") edge_2().run(command);
  }
}

TurnOutcome Migration::measure(const std::string& what, PageHost& holder,
                               const std::function<void()>& action) {
  INFO(what);
  start_prober();
  holder_watch_->forget();
  const auto start = Clock::now();
  action();
  settle(holder);
  outcomes_.push_back(outcome(what, start));
  return outcomes_.back();
}

void Migration::settle(PageHost& holder) {
  PageHost& other = &holder == &edge_1() ? edge_2() : edge_1();
  const bool other_serves = other.runs("vipward") || other.runs("keepalived");
  const bool settled = wait_until(
      [&] {
        return holds(holder) && !holds(other) && holder.is_in_vrrp() && (!other_serves || other.is_in_vrrp());
      },
      kSettleLimit);
  CHECK_MESSAGE(settled, logs());
  // Served, and for long enough that a standby's claim would have come.
  const auto served = prober_->answered();
  const auto since = Clock::now();
  const auto has_served = [&] {
    return Clock::now() - since >= kClaimedBy && prober_->answered() >= served + 100;
  };
  CHECK_MESSAGE(wait_until(has_served, kSettleLimit), logs());
  CHECK_MESSAGE((holds(holder) && !holds(other)), logs());
}

TurnOutcome Migration::outcome(const std::string& what, Clock::time_point start) {
  TurnOutcome one;
  one.what = what;
  one.hanging = count_hanging();
  prober_->stop();
  one.gap = prober_->longest_gap();
  one.failed = prober_->failures_by_kind();
  one.failures = prober_->failures().size();
  one.two_holders = holder_watch_->longest_with_both();
  Clock::time_point first = Clock::time_point::max();
  for (const auto* watches : {&quiet_watches_, &busy_watches_}) {
    for (const FollowedWatch& watch : *watches) {
      const auto losses = watch.losses_since(start);
      one.most_losses = std::max(one.most_losses, static_cast<unsigned>(losses.size()));
      one.losses.insert(one.losses.end(), losses.begin(), losses.end());
    }
  }
  for (const auto& loss : one.losses) first = std::min(first, loss.at);
  if (!one.losses.empty()) one.first_loss = std::chrono::duration_cast<microseconds>(first - start);
  for (const auto& loss : one.losses) {
    one.last_loss = std::max(one.last_loss, std::chrono::duration_cast<microseconds>(loss.at - first));
    const auto pause = loss.again.value_or(Clock::now()) - loss.at;
    one.longest_pause = std::max(one.longest_pause, std::chrono::duration_cast<microseconds>(pause));
  }
  return one;
}

// A word to all of them: who does not hear it, and does not know why, hangs.
unsigned Migration::count_hanging() {
  const bool written = plane().client_host().call([&] { return quiet_->write_next(kTellLimit); });
  CHECK_MESSAGE(written, logs());
  const unsigned busy = busy_->count();
  const auto count = [&] {
    const auto has_not = [](unsigned number) {
      return [number](const FollowedWatch& watch) { return !watch.has_told(number); };
    };
    return std::ranges::count_if(quiet_watches_, has_not(quiet_->count())) +
           std::ranges::count_if(busy_watches_, has_not(busy));
  };
  wait_until([&] { return count() == 0; }, kTellLimit);
  return static_cast<unsigned>(count());
}

void Migration::check_events() {
  CHECK(writer_->stop());
  for (FollowedWatch& watch : busy_watches_) {
    CHECK(wait_until([&] { return watch.has_told(busy_->count()); }, kTellLimit));
    CHECK(watch.failure() == "");
    CHECK(gap_in(watch.told(), busy_->count()) == "");
  }
  for (FollowedWatch& watch : quiet_watches_) {
    CHECK(watch.failure() == "");
    CHECK(gap_in(watch.told(), quiet_->count()) == "");
  }
  MESSAGE(busy_->count(), " events in each of ", kBusyWatches, " watches, each once and in order");
}

}  // namespace vipward::test
