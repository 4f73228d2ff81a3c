#include "tests/component/proxy/proxy_under_test.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <future>
#include <numeric>

#include "lb/net/socket.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

std::string content_of(int fd) {
  std::string text;
  std::array<char, 64 * 1024> buffer{};
  for (;;) {
    const ssize_t n = pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(text.size()));
    if (n <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

}  // namespace

ProxyUnderTest::ProxyUnderTest(std::vector<ServiceConfig> services, Options options)
    : log_file_(memfd_create("proxy log", MFD_CLOEXEC)),
      log_({.level = options.level, .fd = log_file_.get(), .queue_lines = 65536}) {
  std::signal(SIGPIPE, SIG_IGN);  // as the proxy command does
  load_.capacity = options.capacity;
  for (const ServiceConfig& service : services) {
    load_.services.emplace_back(service.backends.size());
    addresses_.push_back(*SocketAddress::parse(options.listen));
  }
  for (unsigned i = 0; i < options.workers; ++i) {
    WorkerCounters& counters = counters_.emplace_back();
    std::vector<ServiceListener> listeners;
    for (std::size_t s = 0; s < services.size(); ++s) {
      counters.services.emplace_back(services[s].backends.size());
      for (unsigned n = 0; n < options.listeners_per_worker; ++n) {
        const bool is_first = i == 0 && n == 0;
        listeners.push_back(
            {.service = s,
             .socket = is_first ? listen_tcp(addresses_[s]) : listen_tcp_beside(addresses_[s])});
        addresses_[s] = SocketAddress::local_of(listeners.back().socket.get());
      }
    }
    workers_.push_back(std::make_unique<WorkerThread>([&](Loop& loop) {
      return std::make_unique<Worker>(loop, log_, services, std::move(listeners), load_, counters,
                                      Worker::Callbacks{.on_connect_refused =
                                                            [this](BackendId backend) {
                                                              const std::lock_guard lock(mutex_);
                                                              refusals_.push_back(backend);
                                                            },
                                                        .on_beat = [this] { beats_.fetch_add(1); }});
    }));
  }
}

ProxyUnderTest::~ProxyUnderTest() = default;

void ProxyUnderTest::set_state(std::size_t backend, BackendState state, DeadCause cause) {
  set_standing({.service = 0, .backend = backend},
               {.state = state, .dead_cause = cause, .since = Clock::now()});
}

void ProxyUnderTest::set_standing(BackendId backend, const BackendStanding& standing) {
  on_every_worker([&](Worker& worker) { worker.set_standing(backend, standing); });
}

void ProxyUnderTest::stop() {
  on_every_worker([](Worker& worker) { worker.stop(); });
}

void ProxyUnderTest::stop_soon() {
  for (const auto& worker : workers_) worker->post([](Worker& target) { target.stop(); });
}

void ProxyUnderTest::on_every_worker(const std::function<void(Worker&)>& task) {
  for (const auto& worker : workers_) {
    std::promise<void> done;
    worker->post([&](Worker& target) {
      task(target);
      done.set_value();
    });
    done.get_future().wait();
  }
}

void ProxyUnderTest::refuse_on(const std::vector<IpAddress>& addresses) {
  on_every_worker([&](Worker& worker) { worker.refuse_on(addresses); });
}

std::uint32_t ProxyUnderTest::reset_on(const std::vector<IpAddress>& addresses) {
  std::uint32_t sum = 0;
  on_every_worker([&](Worker& worker) { sum += worker.reset_on(addresses); });
  return sum;
}

void ProxyUnderTest::run_inside(const std::function<void()>& task) {
  std::promise<void> ran;
  workers_[0]->post([&](Worker&) {
    task();
    ran.set_value();
  });
  ran.get_future().wait();
}

void ProxyUnderTest::run_soon(const std::function<void()>& task) {
  workers_[0]->post([task](Worker&) { task(); });
}

std::uint64_t ProxyUnderTest::accepted() const {
  std::uint64_t sum = 0;
  for (const auto& worker : counters_) sum += worker.services[0].accepted.value();
  return sum;
}

std::uint64_t ProxyUnderTest::accepted_by(std::size_t worker) const {
  return counters_[worker].services[0].accepted.value();
}

std::uint64_t ProxyUnderTest::closed(EndReason reason) const {
  std::uint64_t sum = 0;
  for (const auto& worker : counters_) {
    sum += worker.services[0].closed[static_cast<std::size_t>(reason)].value();
  }
  return sum;
}

std::uint64_t ProxyUnderTest::closed() const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kEndReasons.size(); ++i) sum += closed(static_cast<EndReason>(i));
  return sum;
}

std::uint64_t ProxyUnderTest::rejected(RejectReason reason) const {
  std::uint64_t sum = 0;
  for (const auto& worker : counters_) {
    sum += worker.services[0].rejected[static_cast<std::size_t>(reason)].value();
  }
  return sum;
}

ProxyUnderTest::BackendSums ProxyUnderTest::backend(std::size_t index) const {
  BackendSums sums;
  for (const auto& worker : counters_) {
    const BackendCounters& counters = worker.services[0].backends[index];
    sums.sessions += counters.sessions.value();
    sums.connect_failures += counters.connect_failures.value();
    sums.bytes_to_backend += counters.bytes_to_backend.value();
    sums.bytes_to_client += counters.bytes_to_client.value();
    sums.connects_measured += counters.connect_duration.snapshot().total();
  }
  return sums;
}

std::uint64_t ProxyUnderTest::spliced_bytes() const {
  std::uint64_t sum = 0;
  for (const WorkerCounters& counters : counters_) sum += counters.spliced_bytes.value();
  return sum;
}

std::uint64_t ProxyUnderTest::durations_measured() const {
  std::uint64_t sum = 0;
  for (const auto& worker : counters_) sum += worker.services[0].duration.snapshot().total();
  return sum;
}

std::uint64_t ProxyUnderTest::lost_listeners(std::size_t service) const {
  std::uint64_t sum = 0;
  for (const auto& worker : counters_) sum += worker.services[service].lost_listeners.load();
  return sum;
}

unsigned ProxyUnderTest::accepting_workers() const {
  unsigned count = 0;
  for (const WorkerCounters& worker : counters_) count += worker.accepting.load() ? 1 : 0;
  return count;
}

std::vector<BackendId> ProxyUnderTest::refusals() const {
  const std::lock_guard lock(mutex_);
  return refusals_;
}

bool ProxyUnderTest::wait_closed(EndReason reason, std::uint64_t count) const {
  return wait_until([&] { return closed(reason) >= count; }, kPatience);
}

bool ProxyUnderTest::wait_empty() const {
  return wait_until([&] { return sessions() == 0; }, kPatience);
}

bool ProxyUnderTest::wait_logged(std::string_view text, std::size_t count) const {
  return wait_until([&] { return count_logged(text) >= count; }, kPatience);
}

std::size_t ProxyUnderTest::count_logged(std::string_view text) const {
  return logged(text).size();
}

std::vector<std::string> ProxyUnderTest::logged(std::string_view text) const {
  const std::string all = content_of(log_file_.get());
  std::vector<std::string> found;
  std::size_t start = 0;
  for (std::size_t end = all.find('\n'); end != std::string::npos; end = all.find('\n', start)) {
    std::string line = all.substr(start, end - start);
    start = end + 1;
    if (line.find(text) != std::string::npos) found.push_back(std::move(line));
  }
  return found;
}

ServiceConfig service_with(const std::vector<SocketAddress>& backends) {
  ServiceConfig service;
  service.name = "api";
  for (const SocketAddress& address : backends) {
    service.backends.push_back(
        {.name = "backend-" + std::to_string(service.backends.size()), .address = address, .weight = 1});
  }
  return service;
}

std::size_t resident_bytes() {
  // proc(5), statm: the second number counts resident pages.
  const Fd fd(open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  std::string text(128, '\0');
  const ssize_t n = read(fd.get(), text.data(), text.size());
  if (n <= 0) return 0;
  return std::stoull(text.substr(text.find(' '))) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace vipward::test
