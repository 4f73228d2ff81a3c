// The successor's end of a handover: hears what is known of the backends, takes batches of sessions, and
// gives them on when they have become its own (messages.h). Whatever has not when the link ends is closed.
// Owner: Arrival; control loop. No callback may destroy it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lb/balance/backend_state.h"
#include "lb/channel/packet_socket.h"
#include "lb/handover/carried_session.h"
#include "lb/handover/messages.h"

namespace vipward::handover {

class Receiver {
 public:
  // Where something of the predecessor's is in our configuration.
  struct Place {
    std::optional<std::size_t> service{};
    std::optional<std::size_t> backend{};  // of the service
  };
  struct Hooks {
    // Takes what was known of a backend, and says where it is here.
    std::function<Place(const KnownBackend&)> on_known;
    // A part of what the predecessor has counted; it may come again, with more.
    std::function<void(Counts)> on_counts;
    // Everything that is known of backends has come; so many sessions are to come.
    std::function<void(std::uint32_t sessions)> on_all_known;
    // Sessions that are ours now, with our positions.
    std::function<void(std::vector<SessionRecord>)> on_sessions;
    // It is over, because everything came or because the link ended. Called once, the last call.
    std::function<void()> on_ended;
  };
  // `link`: one end of a seqpacket pair.
  Receiver(Loop& loop, Fd link, Hooks hooks);
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  // So far: batches that found no room, sessions whose backend is none here and that were reset.
  std::uint32_t refused() const { return refused_; }
  std::uint32_t displaced() const { return displaced_; }

 private:
  struct Batch {
    std::vector<ArrivingSession> arriving;
    bool is_taken = false;
    std::vector<SessionRecord> records{};  // once it is taken
    std::uint32_t displaced = 0;
  };

  void on_packet(std::span<const std::uint8_t> bytes, std::vector<Fd> descriptors);
  // False: what was said makes no sense.
  bool on(Backends& message);
  bool on(Counts& message);
  bool on(Known& message);
  bool on(Sessions& message);
  bool on(Bytes& message);
  bool on(BatchEnd& message);
  bool on(Yours& message);
  bool on(End& message);
  bool take(Batch& batch) const;
  bool place(SessionRecord& record) const;
  void end();

  Hooks hooks_;
  // Theirs to ours.
  std::map<BackendId, std::size_t> backends_;
  std::map<std::size_t, std::size_t> services_;
  std::map<std::uint32_t, Batch> batches_;
  std::uint32_t last_batch_ = 0;
  bool all_known_ = false;
  bool broken_ = false;
  bool ended_ = false;
  std::uint32_t refused_ = 0;
  std::uint32_t displaced_ = 0;
  channel::PacketSocket link_;
};

}  // namespace vipward::handover
