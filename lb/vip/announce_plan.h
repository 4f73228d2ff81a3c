// When to tell the neighbours where the addresses are, and to ask whether another host claims them. Pure: the
// Announcer asks it, sends what it says and arms one timer. From start() on: rounds at 0, 10, 100 and 1000
// ms, then one every `refresh`; a round is both forms of a gratuitous ARP for an IPv4 address, one
// unsolicited advertisement for an IPv6 one. Probes once a second.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "lb/event/time.h"
#include "lb/net/address.h"

namespace vipward {

// New ones at the end: counters by kind go from one version to the next by their place
// (lb/guardian/heritage).
enum class AnnouncementKind : std::uint8_t { GarpRequest, GarpReply, Probe, UnsolicitedNa };
inline constexpr std::array<std::string_view, 4> kAnnouncementKinds{"garp_request", "garp_reply", "probe",
                                                                    "unsolicited_na"};
constexpr std::string_view to_string(AnnouncementKind kind) {
  return kAnnouncementKinds[static_cast<std::size_t>(kind)];
}

struct Announcement {
  AnnouncementKind kind = AnnouncementKind::GarpRequest;
  IpAddress address;
  bool operator==(const Announcement&) const = default;
};

// Early ones because a switch may still be learning, late ones because early ones get lost.
inline constexpr std::array<std::chrono::milliseconds, 4> kAnnounceOffsets{
    std::chrono::milliseconds{0}, std::chrono::milliseconds{10}, std::chrono::milliseconds{100},
    std::chrono::milliseconds{1000}};
inline constexpr std::chrono::seconds kProbePeriod{1};
// Switches that inspect ARP and kernels' receive queues drop long bursts: 16 IPv4 addresses go at once, 100
// within 35 ms.
inline constexpr std::size_t kFramesPerBurst = 32;
inline constexpr std::chrono::milliseconds kBurstPeriod{5};
// Rounds never follow each other faster than this, however often restart() is called; while restarts keep
// coming within kRestartCalm of each other the distance doubles, up to the longest.
inline constexpr std::chrono::milliseconds kShortestRoundGap{10};
inline constexpr std::chrono::milliseconds kLongestRoundGap{1000};
// Clearly less than kProbePeriod: a holder that answers every probe is no storm.
inline constexpr std::chrono::milliseconds kRestartCalm{800};

// Everything that an AnnouncePlan knows beside its addresses; names as there.
struct AnnounceMemory {
  bool running = false;
  TimePoint rounds_from{};
  std::size_t round = 0;
  bool in_round = false;  // a pass over the addresses is not done
  TimePoint last_round{};
  std::optional<TimePoint> last_restart;
  Duration round_gap = kShortestRoundGap;
  TimePoint probe_at{};
  bool operator==(const AnnounceMemory&) const = default;
};

class AnnouncePlan {
 public:
  // `refresh` zero: no rounds after the last of kAnnounceOffsets.
  explicit AnnouncePlan(Duration refresh) : refresh_(refresh) {}

  // The addresses have been taken: the first round is due at once.
  void start(TimePoint now, std::vector<IpAddress> addresses);
  // The rounds begin over: a competing episode, a restored address, a foreign claim. Nothing when stopped.
  void restart(TimePoint now);
  // Goes on where the other one stopped, with these addresses and its own refresh. What a round that is under
  // way has told already is told again.
  void go_on(const AnnounceMemory& memory, std::vector<IpAddress> addresses);
  AnnounceMemory memory() const;
  // The addresses are gone: nothing is due any more.
  void stop();
  bool is_running() const { return running_; }

  // What is to be sent now, at most kFramesPerBurst. Rounds missed by a late caller become one.
  std::vector<Announcement> take_due(TimePoint now);
  // When take_due() has something again; nullopt when stopped.
  std::optional<TimePoint> next_deadline() const;

 private:
  // One pass over all frames of a kind.
  struct Pass {
    std::size_t next = 0;  // index of the next frame
    std::size_t frames = 0;
    bool is_done() const { return next == frames; }
  };

  void set_addresses(std::vector<IpAddress> addresses);
  void begin_round_pass();
  void begin_due_passes(TimePoint now);
  std::optional<TimePoint> next_round_at() const;

  Duration refresh_;
  bool running_ = false;
  std::vector<IpAddress> addresses_;
  std::vector<Announcement> round_frames_;  // of all of them

  TimePoint rounds_from_{};  // offset 0 of the running sequence
  std::size_t round_ = 0;    // the next one of the sequence
  TimePoint last_round_{};
  std::optional<TimePoint> last_restart_;
  Duration round_gap_ = kShortestRoundGap;
  TimePoint probe_at_{};
  Pass round_pass_;
  Pass probe_pass_;

  TimePoint burst_from_{};
  std::size_t burst_frames_ = 0;
};

}  // namespace vipward
