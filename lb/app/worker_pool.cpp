#include "lb/app/worker_pool.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

namespace vipward {
namespace {

// What a lot of sessions holds at most, but for the last one of it: bytes are copied on their way.
constexpr std::size_t kLotBytes = std::size_t{1} * 1024 * 1024;

std::function<void()> stamping(Loop& loop, channel::VitalsPage& page, std::size_t slot) {
  // Asked for on the thread it is about, every time: a system call that costs nothing at this rate.
  return
      [&loop, writer = channel::VitalsWriter(page, slot)]() mutable { writer.stamp(loop.now(), gettid()); };
}

}  // namespace

void WorkerPool::start(std::size_t workers) {
  for (std::size_t i = 0; i < workers; ++i) {
    Slot& slot = slots_.emplace_back();
    for (const ServiceConfig& service : surroundings_.services) {
      slot.counters.services.emplace_back(service.backends.size());
    }
    slot.thread = std::make_unique<WorkerThread>([&](Loop& loop) {
      return std::make_unique<Worker>(
          loop, surroundings_.log, surroundings_.services, std::vector<ServiceListener>(), surroundings_.load,
          slot.counters,
          Worker::Callbacks{.on_connect_refused =
                                [this](BackendId backend) {
                                  answer([this, backend] { surroundings_.on_connect_refused(backend); });
                                },
                            .on_beat = stamping(loop, surroundings_.vitals, i + 1)});
    });
  }
}

void WorkerPool::serve(std::vector<channel::ServiceListeners> listeners) {
  std::vector<std::vector<ServiceListener>> shares(slots_.size());
  for (channel::ServiceListeners& address : listeners) {
    for (std::size_t i = 0; i < address.sockets.size(); ++i) {
      shares[i % shares.size()].push_back(
          {.service = address.service, .socket = std::move(address.sockets[i])});
    }
  }
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    // Owner: the task; std::function wants something to copy.
    auto share = std::make_shared<std::vector<ServiceListener>>(std::move(shares[i]));
    slots_[i].thread->post([share](Worker& worker) { worker.serve(std::move(*share)); });
  }
}

void WorkerPool::stop_accepting() {
  post([](Worker& worker) { worker.stop_accepting(); });
}

void WorkerPool::stop() {
  stopped_ = true;
  for (Slot& slot : slots_) slot.thread.reset();
}

void WorkerPool::post(const std::function<void(Worker&)>& task) {
  if (stopped_) return;
  for (Slot& slot : slots_) slot.thread->post(task);
}

void WorkerPool::answer(std::function<void()> task) {
  surroundings_.loop.post([this, task = std::move(task)] {
    if (!stopped_) task();
  });
}

void WorkerPool::sum(const std::function<std::uint32_t(Worker&)>& ask,
                     const std::function<void(std::uint32_t)>& on_all) {
  struct Sum {
    std::size_t workers_left = 0;
    std::uint32_t total = 0;
  };
  if (slots_.empty()) return on_all(0);
  const auto sum = std::make_shared<Sum>(Sum{.workers_left = slots_.size()});  // owners: the workers' answers
  post([this, ask, on_all, sum](Worker& worker) {
    answer([on_all, sum, count = ask(worker)] {
      sum->total += count;
      if (--sum->workers_left == 0) on_all(sum->total);
    });
  });
}

void WorkerPool::gather_texts(const std::function<std::string(Worker&)>& ask,
                              const std::function<void(const std::vector<std::string>&)>& on_all) {
  const auto texts = std::make_shared<std::vector<std::string>>();  // owners: the workers' answers
  if (slots_.empty()) return on_all(*texts);
  post([this, ask, on_all, texts, workers = slots_.size()](Worker& worker) {
    answer([on_all, texts, workers, text = ask(worker)]() mutable {
      texts->push_back(std::move(text));
      if (texts->size() == workers) on_all(*texts);
    });
  });
}

void WorkerPool::detach(std::size_t most,
                        const std::function<void(std::vector<SessionRecord>, bool)>& on_lot) {
  // Owners: the workers' answers, one after the other.
  const auto gathering = std::make_shared<Gathering>();
  gathering->most = {.sessions = most, .bytes = kLotBytes};
  gathering->workers_left = slots_.size();
  gathering->on_lot = on_lot;
  gather(gathering);
}

void WorkerPool::gather(const std::shared_ptr<Gathering>& gathering) {
  const bool is_full = gathering->most.sessions == 0 || gathering->most.bytes == 0;
  if (is_full || gathering->workers_left == 0) {
    const bool was_last = !is_full && gathering->remaining == 0;
    return gathering->on_lot(std::move(gathering->sessions), was_last);
  }
  --gathering->workers_left;
  const std::size_t turn = next_++ % slots_.size();
  slots_[turn].thread->post([this, gathering, most = gathering->most](Worker& worker) {
    // Owner: the answer.
    auto sessions = std::make_shared<std::vector<SessionRecord>>(worker.detach_some(most));
    answer([this, gathering, sessions, remaining = worker.sessions()] {
      gathering->remaining += remaining;
      add(*gathering, std::move(*sessions));
      gather(gathering);
    });
  });
}

void WorkerPool::add(Gathering& gathering, std::vector<SessionRecord> sessions) {
  for (SessionRecord& session : sessions) {
    --gathering.most.sessions;
    gathering.most.bytes -= std::min(gathering.most.bytes, session.held_bytes());
    gathering.sessions.push_back(std::move(session));
  }
}

std::size_t WorkerPool::adopt(std::vector<SessionRecord> records,
                              const std::function<void(Duration)>& on_adopted) {
  std::vector<std::vector<SessionRecord>> shares(slots_.size());
  for (SessionRecord& record : records) shares[next_++ % shares.size()].push_back(std::move(record));
  std::size_t count = 0;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (shares[i].empty()) continue;
    ++count;
    auto share = std::make_shared<std::vector<SessionRecord>>(std::move(shares[i]));
    slots_[i].thread->post([this, share, on_adopted](Worker& worker) {
      const Duration longest = worker.adopt(std::move(*share));
      answer([on_adopted, longest] { on_adopted(longest); });
    });
  }
  return count;
}

}  // namespace vipward
