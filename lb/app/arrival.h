// A proxy takes over from its predecessor: it serves as soon as it knows what that knew of the backends, or
// after kPatience without it, and gets the predecessor's sessions, batch by batch. Owner: ProxyApp; control
// loop. No hook may destroy it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "lb/app/worker_pool.h"
#include "lb/event/timer.h"
#include "lb/handover/receiver.h"

namespace vipward {

class Arrival {
 public:
  // New clients wait in the kernel meanwhile.
  static constexpr Duration kPatience = std::chrono::milliseconds(100);

  struct Hooks {
    // Takes what was known of a backend of the predecessor's, and says where it is here.
    std::function<handover::Receiver::Place(const handover::KnownBackend&)> on_known;
    std::function<void(handover::Counts)> on_counts;
    // How many sessions are still to come; 0 at the end.
    std::function<void(std::uint32_t)> on_expected;
    // Once.
    std::function<void()> on_time_to_serve;
    std::function<void(const channel::Inherited&)> on_ended;
  };
  // All outlive it.
  Arrival(Loop& loop, Log& log, WorkerPool& workers, Fd link, Hooks hooks);
  Arrival(const Arrival&) = delete;
  Arrival& operator=(const Arrival&) = delete;

 private:
  void serve();
  void expect(std::uint32_t sessions);
  void on_sessions(std::vector<SessionRecord> records);
  void on_link_ended();
  void end_if_done();

  Loop& loop_;
  Log& log_;
  WorkerPool& workers_;
  Hooks hooks_;
  TimePoint began_at_;
  bool serving_ = false;
  bool link_ended_ = false;
  std::size_t shares_on_their_way_ = 0;  // to the workers
  std::uint32_t sessions_ = 0;
  std::uint32_t expected_ = 0;
  Duration longest_stall_{};
  Timer patience_;
  handover::Receiver receiver_;
};

}  // namespace vipward
