#include "lb/proxy/worker_thread.h"

#include <utility>

namespace vipward {

WorkerThread::WorkerThread(const std::function<std::unique_ptr<Worker>(Loop&)>& make)
    : worker_(make(loop_)), thread_([this] { loop_.run(); }) {}

WorkerThread::~WorkerThread() {
  post([](Worker& worker) { worker.stop(); });
  loop_.stop();
  thread_.join();
}

void WorkerThread::post(std::function<void(Worker&)> task) {
  loop_.post([this, task = std::move(task)] { task(*worker_); });
}

}  // namespace vipward
