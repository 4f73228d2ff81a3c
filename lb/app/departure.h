// A proxy hands everything over to its successor: what it knows of the backends, and every session, batch by
// batch. What the successor does not take is served on. Owner: ProxyApp; control loop. No hook may
// destroy it.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "lb/app/worker_pool.h"
#include "lb/handover/sender.h"

namespace vipward {

class Departure {
 public:
  struct Hooks {
    // What has been counted so far.
    std::function<std::vector<handover::Counts>()> counts;
    // So many were moved; every other session is with a worker again.
    std::function<void(std::uint32_t moved)> on_ended;
  };
  // All outlive it. `sessions`: that there are now.
  Departure(Loop& loop, Log& log, WorkerPool& workers, Fd link, std::vector<handover::KnownBackend> known,
            std::uint32_t sessions, Hooks hooks);
  Departure(const Departure&) = delete;
  Departure& operator=(const Departure&) = delete;

 private:
  void fetch(std::size_t most);
  void give_back(std::vector<SessionRecord> records);
  void on_sender_ended(std::uint32_t moved);
  void end_if_done();

  Loop& loop_;
  Log& log_;
  WorkerPool& workers_;
  Hooks hooks_;
  TimePoint began_at_;
  bool fetching_ = false;
  bool sender_ended_ = false;
  bool over_ = false;
  std::size_t shares_on_their_way_ = 0;  // back to the workers
  std::uint32_t moved_ = 0;
  Duration longest_absence_{};  // of sessions that came back
  handover::Sender sender_;
};

}  // namespace vipward
