// A byte string drives the state machine: the first four bytes are its settings, then each pair of bytes is
// an event and how long it comes after the last one. Whatever the order, the promises of instance.h hold.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "lb/vip/instance.h"

namespace {

using namespace vipward;
using namespace std::chrono_literals;

void require(bool holds) {
  if (!holds) std::abort();
}

InstanceSettings settings_of(std::span<const std::uint8_t> bytes) {
  return {.priority = std::max<std::uint8_t>(bytes[0], 1),
          .interval = 10ms * (1 + bytes[1] % 32),
          .own = *IpAddress::parse("10.0.0.2"),
          .peers = {*IpAddress::parse("10.0.0.1"), *IpAddress::parse("10.0.0.3")},
          .skew = bytes[2] % 2 == 0 ? SkewRule::SinglePeer : SkewRule::Rfc,
          .failback = static_cast<Failback>(bytes[2] / 2 % 3),
          .failback_delay = 100ms * (bytes[3] % 16),
          .startup_delay = 500ms * (bytes[3] / 16)};
}

// Plays the owner: does what comes out and checks it against what went before.
class Owner {
 public:
  explicit Owner(const InstanceSettings& settings) : settings_(settings), instance_(settings) {}

  void step(std::uint8_t event, std::uint8_t after) {
    // Short steps are frequent, stalls possible.
    now_ += after < 240 ? Duration(after * 1ms) : Duration((after - 239) * 300ms);
    const VipState before = instance_.state();
    // start() means nothing to who runs already.
    const bool stalls = before == VipState::Active && event % 8 != kStart && now_ - last_sent_ >= 3 * told_;
    if (stalls) listen_until_ = now_ + down_interval(settings_.skew, settings_.priority, settings_.interval);
    const bool is_pause = event == kPause;
    const Actions actions = play(event);
    check_deadline(event);
    check(before, stalls, actions);
    if (actions.advertise) {
      last_sent_ = now_;
      told_ = is_pause ? std::max<Duration>(settings_.interval, 200ms) : settings_.interval;
    }
    require(instance_.state() != VipState::Active || instance_.advertised_interval() == told_);
    if (instance_.state() == VipState::Init) listen_until_ = {};
  }

 private:
  static constexpr std::uint8_t kOnTime = 0;
  static constexpr std::uint8_t kStart = 1;
  // Of the events that are 4 modulo 8.
  static constexpr std::uint8_t kShutDown = 31 * 8 + 4;
  static constexpr std::uint8_t kRestore = 30 * 8 + 4;
  static constexpr std::uint8_t kPause = 29 * 8 + 4;

  Actions play(std::uint8_t event) {
    const std::uint8_t argument = event / 8;
    switch (event % 8) {
      case kOnTime:
        return instance_.on_time(now_);
      case 1:
        return instance_.start(now_, argument % 2 == 1);
      case 2:
        return instance_.set_candidacy(now_, static_cast<Candidacy>(argument % 4));
      case 3:
        return instance_.on_carrier_up(now_);
      case 4:
        if (event == kShutDown) return instance_.shut_down(now_);
        if (event == kPause) return instance_.advertise_before_pause(now_, 200ms);
        if (event == kRestore) restore();
        return instance_.on_time(now_);
      default:
        return hear(argument, event % 8);
    }
  }

  // Another one in its place, as the next image of the guardian makes it.
  void restore() {
    const InstanceMemory memory = instance_.memory();
    instance_ = Instance(settings_, memory);
    require(instance_.memory() == memory);
    instance_.resume(now_);
    // Listening it is what it was.
    if (memory.state != VipState::Active) require(instance_.memory() == memory);
  }

  Actions hear(std::uint8_t argument, int source) {
    static const IpAddress kSources[] = {*IpAddress::parse("10.0.0.1"), *IpAddress::parse("10.0.0.2"),
                                         *IpAddress::parse("10.0.0.3")};
    const int priorities[] = {0, 1, settings_.priority - 1, settings_.priority, settings_.priority + 1, 254};
    const int priority = std::clamp(priorities[argument % 6], 0, 255);
    const Duration interval = argument >= 24 ? Duration(40950ms) : settings_.interval;
    return instance_.on_advertisement(now_,
                                      {static_cast<std::uint8_t>(priority), interval, kSources[source - 5]});
  }

  void check_deadline(std::uint8_t event) {
    const auto deadline = instance_.next_deadline();
    if (event % 8 == kOnTime) require(!deadline || *deadline > now_);
    require(instance_.state() != VipState::Active || (deadline && *deadline <= now_ + settings_.interval));
    if (instance_.candidacy() == Candidacy::None && instance_.state() != VipState::Active) require(!deadline);
  }

  void check(VipState before, bool stalls, const Actions& actions) const {
    const VipState after = instance_.state();
    require(after != VipState::Active || instance_.candidacy() != Candidacy::None);
    if (actions.transition) {
      require(actions.transition->from == before && actions.transition->to == after && before != after);
    } else {
      require(before == after);
    }
    const bool was_left = before == VipState::Active && after != VipState::Active;
    require((!actions.tell_release && !actions.tell_winner) || was_left);
    require(after == VipState::Active || (!actions.advertise && !actions.announce));
    // A claim always says so.
    if (before != VipState::Active && after == VipState::Active) {
      require(actions.advertise && actions.announce);
    }
    // Nothing is said after a stall before a down interval was listened to.
    if (stalls) require(was_left && !actions.tell_release && !actions.tell_winner);
    if (now_ < listen_until_ && before != VipState::Init) require(after != VipState::Active);
    require(instance_.is_contested() ? after == VipState::Active : true);
    require(instance_.learnt_interval() > Duration::zero());
  }

  InstanceSettings settings_;
  Instance instance_;
  TimePoint now_ = TimePoint{} + 1h;
  TimePoint last_sent_{};
  Duration told_ = settings_.interval;
  TimePoint listen_until_{};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kSettings = 4;
  if (size < kSettings) return 0;
  Owner owner(settings_of({data, kSettings}));
  for (std::size_t i = kSettings; i + 1 < size; i += 2) owner.step(data[i], data[i + 1]);
  return 0;
}
