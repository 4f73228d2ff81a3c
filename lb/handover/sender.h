// The predecessor's end of a handover: what is known of the backends, then every session, batch by batch,
// each by the commit rule (messages.h). Whatever the successor has not taken when the link ends goes back to
// who lent it. A successor that is slow makes it slow, nothing more. Owner: Departure; control loop. No
// callback may destroy it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "lb/channel/packet_socket.h"
#include "lb/event/timer.h"
#include "lb/handover/messages.h"

namespace vipward::handover {

class Sender {
 public:
  // Sessions that nobody serves now.
  struct Lot {
    std::vector<SessionRecord> sessions;  // at most as many as were asked for
    bool was_last = false;                // none is left anywhere but those
  };
  struct Hooks {
    // What has been counted so far, in parts.
    std::function<std::vector<Counts>()> counts;
    // Take at most so many sessions out of service, and answer with deliver(), in a later turn.
    std::function<void(std::size_t most)> fetch;
    // Serve these again.
    std::function<void(std::vector<SessionRecord>)> give_back;
    // It is over: so many were moved; whatever was not has been given back. Called once, the last call.
    std::function<void(std::uint32_t moved)> on_ended;
  };
  // How long a successor may neither read nor answer while something is on its way to it: milliseconds are
  // usual. Then the link is given up, and the sessions are served on here.
  static constexpr Duration kLongestSilence = std::chrono::seconds(2);

  // `link`: one end of a seqpacket pair. `sessions`: that there are now.
  Sender(Loop& loop, Fd link, std::vector<KnownBackend> known, std::uint32_t sessions, Hooks hooks);
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  // The answer to fetch(), exactly one for each; after the end, too: they are given back.
  void deliver(Lot lot);
  // Batches that the successor had no room for.
  std::uint32_t refused() const { return refused_; }
  // The link was given up after kLongestSilence.
  bool was_given_up() const { return given_up_; }

 private:
  struct Batch {
    std::uint32_t number = 0;
    std::vector<SessionRecord> sessions;
    // BatchEnd has been said, as this packet of the link: nobody can have an answer before the kernel has it.
    std::optional<std::uint64_t> end{};
    // Taken, and Yours said, as this packet of the link: the successor's once the kernel has it.
    std::optional<std::uint64_t> yours{};
  };

  // False: what was said makes no sense.
  bool on_packet(std::span<const std::uint8_t> bytes);
  bool on_taken(std::uint32_t number);
  bool on_refused(std::uint32_t number);
  std::deque<Batch>::iterator find(std::uint32_t number);

  void pump();
  void say_more();
  bool may_fetch() const;
  void add_batch(std::vector<SessionRecord> sessions);
  void drop_committed();
  void look_for_silence();
  // The position of the packet in the link; nullopt: the link has failed.
  std::optional<std::uint64_t> send(ToSuccessor message);
  void end();

  Loop& loop_;
  Hooks hooks_;
  std::deque<ToSuccessor> to_say_;  // without descriptors
  bool began_ = false;
  std::deque<Batch> batches_;  // in flight, oldest first
  std::uint32_t next_batch_ = 1;
  std::size_t batch_size_ = Sessions::kMost;
  bool fetching_ = false;
  bool gave_back_ = false;  // since the last fetch
  TimePoint fetch_from_{};
  bool finishing_ = false;  // End is among what is to be said, or has been
  bool ended_ = false;
  bool given_up_ = false;
  std::uint64_t answers_ = 0;
  std::uint64_t steps_ = 0;              // packets in the link and answers, when that was last looked at
  std::optional<TimePoint> stepped_at_;  // the last one, while there is something on its way
  std::uint32_t sessions_at_first_ = 0;
  std::uint32_t moved_ = 0;
  std::uint32_t refused_ = 0;
  channel::PacketSocket link_;
  Timer again_;
  bool looked_again_ = false;
  Timer silence_;
};

}  // namespace vipward::handover
