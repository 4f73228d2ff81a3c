#include "tests/unit/vip/simulation.h"

#include <algorithm>
#include <utility>

namespace vipward {

using namespace std::chrono_literals;

Simulation::Simulation(const std::vector<InstanceSettings>& settings, std::uint32_t seed)
    : random_(seed), hosts_(settings.begin(), settings.end()), muted_(settings.size()) {}

void Simulation::freeze(std::size_t index, Duration how_long) {
  Host& host = hosts_[index];
  host.frozen_until = now_ + how_long;
  host.runs_at = std::max(host.runs_at, host.frozen_until);
}

void Simulation::replace(std::size_t index) {
  Host& host = hosts_[index];
  host.instance = Instance(host.settings, host.instance.memory());
}

void Simulation::re_execute(std::size_t index, const InstanceSettings& settings, Duration gap) {
  leave_in_vain(index);
  Host& host = hosts_[index];
  host.settings = settings;
  replace(index);
  host.resumes = true;
  host.frozen_until = now_ + gap;
  host.runs_at = host.frozen_until;
}

void Simulation::leave_in_vain(std::size_t index) {
  turn(index, 200ms);
}

void Simulation::start(std::size_t index, bool vip_was_ours) {
  apply(index, hosts_[index].instance.start(now_, vip_was_ours));
}

void Simulation::set_candidacy(std::size_t index, Candidacy candidacy) {
  apply(index, hosts_[index].instance.set_candidacy(now_, candidacy));
}

void Simulation::run_for(Duration how_long) {
  const TimePoint until = now_ + how_long;
  while (true) {
    TimePoint next = until;
    for (const Packet& packet : on_the_way_) next = std::min(next, packet.arrives_at);
    for (const Host& host : hosts_) next = std::min(next, host.runs_at);
    pass_time(std::max(next, now_));
    if (now_ >= until) return;
    deliver();
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
      if (hosts_[i].runs_at <= now_) turn(i);
    }
  }
}

std::size_t Simulation::holders() const {
  return static_cast<std::size_t>(
      std::count_if(hosts_.begin(), hosts_.end(), [](const Host& host) { return host.holds(); }));
}

void Simulation::reset_gaps() {
  without_ = shared_ = longest_without_ = longest_shared_ = {};
}

void Simulation::apply(std::size_t index, const Actions& actions) {
  Host& host = hosts_[index];
  if (actions.transition) ++host.transitions;
  if (actions.tell_release) {
    send(index, 0);
    send(index, 0);
  }
  if (actions.tell_winner) send(index, kReluctantPriority);
  if (actions.advertise) {
    host.sent.push_back(now_);
    send(index, host.instance.advertised_priority());
  }
  if (actions.announce) last_announcer_ = index;
  schedule(index);
}

void Simulation::send(std::size_t from, std::uint8_t priority) {
  for (std::size_t to = 0; to < hosts_.size(); ++to) {
    const bool is_lost = muted_[from] || random_.fraction() < loss_;
    if (to == from || is_lost) continue;
    on_the_way_.push_back({.arrives_at = now_ + 50us + up_to(450us),
                           .to = to,
                           .heard = {.priority = priority,
                                     .interval = hosts_[from].instance.advertised_interval(),
                                     .source = hosts_[from].address}});
  }
}

void Simulation::turn(std::size_t index, std::optional<Duration> pause) {
  Host& host = hosts_[index];
  if (std::exchange(host.resumes, false)) host.instance.resume(now_);
  Actions actions;
  while (!host.inbox.empty()) {
    actions.merge(host.instance.on_advertisement(now_, host.inbox.front()));
    host.inbox.pop_front();
  }
  actions.merge(host.instance.on_time(now_));
  if (pause) actions.merge(host.instance.advertise_before_pause(now_, *pause));
  apply(index, actions);
}

void Simulation::schedule(std::size_t index) {
  Host& host = hosts_[index];
  const auto deadline = host.instance.next_deadline();
  host.runs_at = deadline ? std::max(*deadline, host.frozen_until) + up_to(1ms) : TimePoint::max();
}

void Simulation::deliver() {
  std::stable_sort(on_the_way_.begin(), on_the_way_.end(),
                   [](const Packet& a, const Packet& b) { return a.arrives_at < b.arrives_at; });
  while (!on_the_way_.empty() && on_the_way_.front().arrives_at <= now_) {
    const Packet packet = on_the_way_.front();
    on_the_way_.erase(on_the_way_.begin());
    Host& host = hosts_[packet.to];
    host.inbox.push_back(packet.heard);
    host.runs_at = std::min(host.runs_at, std::max(now_, host.frozen_until) + up_to(1ms));
  }
}

void Simulation::pass_time(TimePoint to) {
  const Duration passed = to - now_;
  const std::size_t holding = holders();
  without_ = holding == 0 ? without_ + passed : Duration::zero();
  shared_ = holding > 1 ? shared_ + passed : Duration::zero();
  longest_without_ = std::max(longest_without_, without_);
  longest_shared_ = std::max(longest_shared_, shared_);
  now_ = to;
}

}  // namespace vipward
