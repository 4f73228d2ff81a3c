// A worker on a thread of its own. Constructed, commanded and destroyed by the control thread.
#pragma once

#include <functional>
#include <thread>

#include "lb/proxy/worker.h"

namespace vipward {

class WorkerThread {
 public:
  // Makes the worker, then starts the thread. `make` runs on the caller's thread.
  explicit WorkerThread(const std::function<std::unique_ptr<Worker>(Loop&)>& make);
  // Stops the worker (its clients are reset) and waits for the thread.
  ~WorkerThread();

  // On the worker's thread, in order.
  void post(std::function<void(Worker&)> task);

 private:
  Loop loop_;
  std::unique_ptr<Worker> worker_;
  std::thread thread_;
};

}  // namespace vipward
