// The workers of this process, each on a thread of its own, and what the control loop has them do. Everything
// is posted; answers come back to the control loop. Owner: ProxyApp; control loop.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lb/channel/messages.h"
#include "lb/channel/vitals.h"
#include "lb/event/loop.h"
#include "lb/log/log.h"
#include "lb/proxy/worker_thread.h"

namespace vipward {

class WorkerPool {
 public:
  struct Surroundings {
    Loop& loop;  // the control loop
    Log& log;
    const std::vector<ServiceConfig>& services;
    ProxyLoad& load;
    channel::VitalsPage& vitals;
    std::function<void(BackendId)> on_connect_refused;
  };
  explicit WorkerPool(const Surroundings& surroundings) : surroundings_(surroundings) {}

  // Once. Without listeners: they have nothing to do yet.
  void start(std::size_t workers);
  // Worker i of W serves the sockets i, i + W ... of each address.
  void serve(std::vector<channel::ServiceListeners> listeners);
  void stop_accepting();
  // Their clients are reset; waits for the threads. Nothing is answered any more, whatever was asked before.
  void stop();
  bool is_empty() const { return slots_.empty(); }

  void post(const std::function<void(Worker&)>& task);
  // `ask` on every worker's thread; `on_all` with the sum of what they answered.
  void sum(const std::function<std::uint32_t(Worker&)>& ask,
           const std::function<void(std::uint32_t)>& on_all);

  // Asks every worker for a text, and gives all of them on.
  void gather_texts(const std::function<std::string(Worker&)>& ask,
                    const std::function<void(const std::vector<std::string>&)>& on_all);

  // Takes sessions out of service, at most so many, from one worker after the other; `on_lot` with them, and
  // whether there are none left at all.
  void detach(std::size_t most, const std::function<void(std::vector<SessionRecord>, bool)>& on_lot);
  // Spreads them over the workers; `on_adopted` once for each share, with how long one of it was not served
  // at most. Returns how many shares there are.
  std::size_t adopt(std::vector<SessionRecord> records, const std::function<void(Duration)>& on_adopted);

  std::size_t size() const { return slots_.size(); }
  const WorkerCounters& counters(std::size_t worker) const { return slots_[worker].counters; }

 private:
  struct Slot {
    WorkerCounters counters;
    std::unique_ptr<WorkerThread> thread;
  };
  // Sessions of several workers, gathered.
  struct Gathering {
    Worker::DetachLimits most;  // of what is still to come
    std::size_t workers_left = 0;
    std::vector<SessionRecord> sessions;
    std::size_t remaining = 0;
    std::function<void(std::vector<SessionRecord>, bool)> on_lot;
  };
  void gather(const std::shared_ptr<Gathering>& gathering);
  void add(Gathering& gathering, std::vector<SessionRecord> sessions);
  // On the control loop, unless all this has stopped meanwhile. Any thread.
  void answer(std::function<void()> task);

  Surroundings surroundings_;
  std::deque<Slot> slots_;
  bool stopped_ = false;
  std::size_t next_ = 0;  // whose turn it is to give or to get
};

}  // namespace vipward
