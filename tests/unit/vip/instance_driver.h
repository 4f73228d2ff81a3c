// An Instance and its clock for the tests: 100 ms adverts, priority 100, one peer with a higher address,
// times in milliseconds after a start at 0.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "lb/vip/instance.h"

namespace vipward {

using namespace std::chrono_literals;

inline const TimePoint kEpoch = TimePoint{} + 1h;
inline IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}
inline const IpAddress kOwn = ip("10.0.0.2");
inline const IpAddress kPeer = ip("10.0.0.3");
inline const IpAddress kLowPeer = ip("10.0.0.1");

inline InstanceSettings settings() {
  return {.priority = 100,
          .interval = 100ms,
          .own = kOwn,
          .peers = {kPeer},
          .skew = SkewRule::SinglePeer,
          .failback = Failback::Never,
          .failback_delay = {},
          .startup_delay = {}};
}

// "backup>active down_timer release advertise announce", "-" for nothing.
inline std::string words(const Actions& actions) {
  std::string text;
  const auto add = [&text](std::string_view word) {
    if (!text.empty()) text += ' ';
    text += word;
  };
  if (actions.transition) {
    add(to_string(actions.transition->from));
    text += '>';
    text += to_string(actions.transition->to);
    add(to_string(actions.transition->cause));
  }
  if (actions.tell_release) add("release");
  if (actions.tell_winner) add("tell_winner");
  if (actions.advertise) add("advertise");
  if (actions.announce) add("announce");
  return text.empty() ? "-" : text;
}

struct Driver {
  explicit Driver(const InstanceSettings& given = settings(), Candidacy candidacy = Candidacy::Full)
      : instance(given) {
    instance.set_candidacy(kEpoch, candidacy);
  }

  std::string start(bool vip_was_ours = false) { return words(instance.start(kEpoch, vip_was_ours)); }
  std::string hear(Duration at, std::uint8_t priority, const IpAddress& source = kPeer,
                   Duration interval = 100ms) {
    return words(instance.on_advertisement(kEpoch + at, {priority, interval, source}));
  }
  std::string time(Duration at) { return words(instance.on_time(kEpoch + at)); }
  std::string candidacy(Duration at, Candidacy value) {
    return words(instance.set_candidacy(kEpoch + at, value));
  }
  // The deadline after the start.
  Duration deadline() const { return instance.next_deadline().value() - kEpoch; }
  // Runs the timer from deadline to deadline up to and with `until`; what was to be done, one entry each.
  std::vector<std::string> run(Duration until) {
    std::vector<std::string> done;
    for (auto at = instance.next_deadline(); at && *at <= kEpoch + until; at = instance.next_deadline()) {
      done.push_back(words(instance.on_time(*at)));
      REQUIRE((!instance.next_deadline() || *instance.next_deadline() > *at));
    }
    return done;
  }
  VipState state() const { return instance.state(); }

  Instance instance;
};

// Started, alone, and active since `Driver::deadline` of the start.
inline Driver active_driver(const InstanceSettings& given = settings()) {
  Driver driver(given);
  driver.start();
  driver.instance.on_time(kEpoch + driver.deadline());
  REQUIRE(driver.state() == VipState::Active);
  return driver;
}

}  // namespace vipward
