#include "perf/reloads/held_vip.h"

#include <algorithm>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <thread>

#include "perf/figures.h"
#include "tests/support/network.h"
#include "tests/support/sniffer.h"
#include "tests/support/wait.h"
#include "tests/system/edge_host.h"
#include "tests/system/vipward_edge.h"

namespace vipward::perf {
namespace {

using namespace std::chrono_literals;
using test::FrameClock;
using test::FrameTime;

constexpr auto kStartLimit = 15s;
constexpr auto kSpread = 10s;
// What a reload disturbs has shown itself by then.
constexpr auto kSettle = 500ms;
constexpr double kMostStallMs = 150;
constexpr double kMostIntervals = 2;

void require(bool good, const std::string& what) {
  if (!good) throw std::runtime_error(what);
}

class Segment {
 public:
  explicit Segment(const Workload& options) {
    const test::Host holder = net_.host("lb1", 21);
    const test::Host backup = net_.host("lb2", 22);
    const test::Host client = net_.host("client", 50);
    test::EdgeSettings settings{.vip = *IpAddress::parse("10.77.0.100")};
    for (const unsigned octet : {11U, 12U}) {
      const test::Host master = net_.host("master-" + std::to_string(octet - 10), octet);
      const test::InsideNamespace here = master.enter();
      backends_.push_back(std::make_unique<test::TrafficBackend>(master.address(kPort)));
      settings.backends.push_back(backends_.back()->address());
    }
    settings.peer = backup.address();
    holder_ = make_edge(test::Contender::Vipward, holder, settings);
    settings.peer = holder.address();
    backup_ = make_edge(test::Contender::Keepalived, backup, settings);
    sniffer_ = std::make_unique<test::Sniffer>(net_);
    holder_->start();
    require(test::wait_until([&] { return holder_->is_ready() && holder_->holds_vip(); }, kStartLimit),
            "vipward did not take the VIP:\n" + holder_->log());
    backup_->start();
    require(test::wait_until([&] { return backup_->is_ready(); }, kStartLimit),
            "keepalived did not become the backup:\n" + backup_->log());
    const test::InsideNamespace here = client.enter();
    clients_ = std::make_unique<test::TrafficClients>(
        test::TrafficClients::Options{.target = {settings.vip, kPort},
                                      .bulk = options.bulk,
                                      .request = options.request,
                                      .idle = options.sessions - options.bulk - options.request});
  }

  test::TrafficClients& clients() { return *clients_; }
  test::VipwardEdge& holder() { return test::as_vipward(*holder_); }
  unsigned corrupt_at_backend() const { return backends_[0]->corrupt() + backends_[1]->corrupt(); }

  // The longest time between two of the holder's advertisements, the last one before `since` included.
  double longest_silence_ms(FrameTime since) {
    const auto frames = sniffer_->advertisements_of(holder_->host(), since - 1s);
    require(frames.size() >= 2, "no advertisements are seen:\n" + holder_->log() + backup_->log());
    std::chrono::nanoseconds longest{};
    for (std::size_t i = 1; i < frames.size(); ++i) {
      if (frames[i].time >= since) longest = std::max(longest, frames[i].time - frames[i - 1].time);
    }
    return in_ms(longest);
  }
  std::string claims(FrameTime since) const {
    std::string text;
    for (const std::string& host : sniffer_->claims(since)) text += (text.empty() ? "" : " ") + host;
    return text;
  }

 private:
  static constexpr std::uint16_t kPort = 6443;
  test::Network net_;
  std::vector<std::unique_ptr<test::TrafficBackend>> backends_;
  std::unique_ptr<test::EdgeHost> holder_;
  std::unique_ptr<test::EdgeHost> backup_;
  std::unique_ptr<test::Sniffer> sniffer_;
  std::unique_ptr<test::TrafficClients> clients_;
};

void succeed_once(Segment& segment, const std::string& command, HeldVip& result) {
  segment.clients().take_longest_stall();
  const FrameTime began = FrameClock::now();
  const test::CommandResult outcome = segment.holder().daemon().command({command});
  require(outcome.exit_code == 0, command + ": " + outcome.standard_error + segment.holder().log());
  std::this_thread::sleep_for(kSettle);
  result.stalls_ms.push_back(in_ms(segment.clients().take_longest_stall()));
  result.silences_ms.push_back(segment.longest_silence_ms(began));
  std::cerr << "vipward, holding the VIP: " << command << ", longest time between two advertisements "
            << number(result.silences_ms.back()) << " ms, longest stall " << number(result.stalls_ms.back())
            << " ms" << std::endl;
}

void measure(const Workload& options, HeldVip& result) {
  Segment segment(options);
  segment.clients().spread(kSpread);
  const FrameTime began = FrameClock::now();
  std::this_thread::sleep_for(5s);
  result.quiet_silence_ms = segment.longest_silence_ms(began);
  for (; result.reloads < options.reloads; ++result.reloads) succeed_once(segment, "reload", result);
  for (; result.upgrades < options.upgrades; ++result.upgrades) succeed_once(segment, "upgrade", result);
  result.stuck = segment.clients().count_stuck(10s);
  result.sessions = segment.clients().tally();
  result.corrupt_at_backend = segment.corrupt_at_backend();
  result.claims = segment.claims(began);
  if (result.sessions.ended() > 0)
    std::cerr << segment.holder().log() << segment.holder().daemon().admin("/metrics").body << std::endl;
  const auto transitions =
      segment.holder().daemon().metrics().value("vipward_vip_transitions_total", {{"to", "active"}});
  require(transitions.has_value(), "vipward does not count its transitions");
  result.transitions = static_cast<unsigned>(*transitions);
}

}  // namespace

HeldVip measure_held_vip(const Workload& options) {
  HeldVip result;
  result.interval_ms = in_ms(test::EdgeSettings{}.interval);
  try {
    measure(options, result);
  } catch (const std::exception& error) {
    std::cerr << "vipward, holding the VIP: " << error.what() << std::endl;
    const std::string what = error.what();
    result.failure = "could not be measured: " + what.substr(0, what.find('\n'));
  }
  return result;
}

std::string misses(const HeldVip& result) {
  if (!result.failure.empty()) return result.failure;
  std::string text;
  const auto add = [&](bool missed, const std::string& what) {
    if (missed) text += (text.empty() ? "" : ", ") + what;
  };
  add(result.sessions.ended() > 0 || result.corrupt_at_backend > 0, "sessions lost");
  add(result.stuck > 0, "sessions stuck");
  add(most_of(result.stalls_ms) > kMostStallMs, "stall over 150 ms");
  add(most_of(result.silences_ms) > kMostIntervals * result.interval_ms,
      "an advertisement later than two intervals");
  add(result.claims != "lb1" || result.transitions != 1, "a transition");
  return text;
}

std::string table_of(const HeldVip& result) {
  std::string text =
      "\nThe same sessions through a VIP that vipward holds (lb1), with keepalived as its backup (lb2), on "
      "hosts\n"
      "that are network namespaces; an advertisement every " +
      number(result.interval_ms, 0) +
      " ms. Silence: the longest time between two\nadvertisements on the wire, median of the reloads / "
      "worst, in "
      "ms; the same in five seconds without one beside it.\n\n"
      "| reloads + upgrades | sessions lost | corrupt | stuck | stall | silence | without reload | who "
      "advertised "
      "| bars met |\n|---|---|---|---|---|---|---|---|---|\n";
  if (!result.failure.empty()) return text + "| " + result.failure + " |\n";
  const std::string missed = misses(result);
  return text + "| " + std::to_string(result.reloads) + " + " + std::to_string(result.upgrades) + " | " +
         std::to_string(result.sessions.ended()) + " | " +
         std::to_string(result.sessions.corrupt + result.corrupt_at_backend) + " | " +
         std::to_string(result.stuck) + " | " + median_and_most(result.stalls_ms) + " | " +
         median_and_most(result.silences_ms) + " | " + number(result.quiet_silence_ms) + " | " +
         result.claims + " | " + (missed.empty() ? "yes" : missed) + " |\n";
}

}  // namespace vipward::perf
