#include "tests/component/handover/side.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <csignal>
#include <future>
#include <numeric>
#include <utility>

#include "lb/channel/endpoint.h"
#include "lb/net/socket.h"
#include "tests/support/wait.h"

namespace vipward::test {

Listeners::Listeners() {
  sockets_.push_back(listen_tcp(*SocketAddress::parse("127.0.0.1:0")));
  address_ = SocketAddress::local_of(sockets_.front().get());
  while (sockets_.size() < channel::kListenersPerAddress) sockets_.push_back(listen_tcp_beside(address_));
}

channel::ServiceListeners Listeners::copies() const {
  channel::ServiceListeners message;
  for (const Fd& socket : sockets_) message.sockets.push_back(socket.duplicate());
  return message;
}

Link::Link() {
  channel::Pair pair = channel::create_pair();
  predecessor = std::move(pair.guardian);
  successor = std::move(pair.proxy);
}

Side::Side(const ServiceConfig& service, std::size_t workers, std::uint32_t capacity)
    : services_{service},
      log_file_(memfd_create("side", MFD_CLOEXEC)),
      log_({.level = LogLevel::Debug, .fd = log_file_.get(), .queue_lines = 65536}),
      vitals_(channel::VitalsPage::map(duplicate_of(channel::VitalsPage::create().fd())).value()) {
  std::signal(SIGPIPE, SIG_IGN);  // as the proxy command does
  load_.capacity = capacity;
  load_.services.emplace_back(service.backends.size());
  workers_.emplace(WorkerPool::Surroundings{.loop = loop_,
                                            .log = log_,
                                            .services = services_,
                                            .load = load_,
                                            .vitals = vitals_,
                                            .on_connect_refused = [](BackendId) {}});
  workers_->start(workers);
  thread_ = std::thread([this] { loop_.run(); });
}

Side::~Side() {
  run([this] {
    departure_.reset();
    arrival_.reset();
    workers_->stop();
  });
  loop_.stop();
  thread_.join();
}

void Side::run(const std::function<void()>& task) {
  std::promise<void> ran;
  loop_.post([&] {
    task();
    ran.set_value();
  });
  ran.get_future().wait();
}

void Side::serve(const Listeners& listeners) {
  run([&] {
    std::vector<channel::ServiceListeners> all;
    all.push_back(listeners.copies());
    workers_->serve(std::move(all));
  });
}

void Side::hand_over(Fd link) {
  run([&] {
    workers_->stop_accepting();
    moved_.reset();
    std::vector<handover::KnownBackend> known;
    const ServiceConfig& service = services_.front();
    for (std::size_t i = 0; i < service.backends.size(); ++i) {
      known.push_back({.service = 0,
                       .backend = static_cast<std::uint32_t>(i),
                       .service_name = service.name,
                       .name = service.backends[i].name,
                       .address = service.backends[i].address.to_string(),
                       .memory = {}});
    }
    departure_ = std::make_unique<Departure>(
        loop_, log_, *workers_, std::move(link), std::move(known), load_.sessions.load(),
        Departure::Hooks{.counts = [] { return std::vector<handover::Counts>(1); },
                         .on_ended =
                             [this](std::uint32_t moved) {
                               moved_ = moved;
                               loop_.post([this] { departure_.reset(); });
                             }});
  });
}

void Side::take_over(Fd link, const Listeners& listeners) {
  run([&] {
    inherited_.reset();
    const auto place = [this](const handover::KnownBackend& known) -> handover::Receiver::Place {
      const ServiceConfig& service = services_.front();
      for (std::size_t i = 0; i < service.backends.size(); ++i) {
        if (service.backends[i].name == known.name) return {.service = 0, .backend = i};
      }
      return {.service = 0};
    };
    arrival_ = std::make_unique<Arrival>(
        loop_, log_, *workers_, std::move(link),
        Arrival::Hooks{.on_known = place,
                       .on_counts = [](const handover::Counts&) {},
                       .on_expected = [this](std::uint32_t sessions) { load_.expected = sessions; },
                       .on_time_to_serve =
                           [this, copies = std::make_shared<channel::ServiceListeners>(listeners.copies())] {
                             std::vector<channel::ServiceListeners> all;
                             all.push_back(std::move(*copies));
                             workers_->serve(std::move(all));
                           },
                       .on_ended =
                           [this](const channel::Inherited& inherited) {
                             inherited_ = inherited;
                             loop_.post([this] { arrival_.reset(); });
                           }});
  });
}

std::optional<std::uint32_t> Side::moved() {
  std::optional<std::uint32_t> result;
  run([&] { result = moved_; });
  return result;
}

std::optional<channel::Inherited> Side::inherited() {
  std::optional<channel::Inherited> result;
  run([&] { result = inherited_; });
  return result;
}

bool Side::wait_moved() {
  return wait_until([&] { return moved().has_value(); }, kPatience);
}

bool Side::wait_inherited() {
  return wait_until([&] { return inherited().has_value(); }, kPatience);
}

void Side::refuse_on(const std::vector<IpAddress>& addresses) {
  run([&] { workers_->post([addresses](Worker& worker) { worker.refuse_on(addresses); }); });
  shares();  // every worker has heard it
}

void Side::set_state(std::size_t backend, BackendState state) {
  run([&] {
    workers_->post([backend, state](Worker& worker) {
      worker.set_standing({.service = 0, .backend = backend}, {.state = state, .since = Clock::now()});
    });
  });
  shares();  // every worker has heard it
}

std::vector<std::size_t> Side::shares() {
  std::vector<std::size_t> result;
  std::promise<void> all;
  run([&] {
    workers_->gather_texts([](const Worker& worker) { return std::to_string(worker.sessions()); },
                           [&](const std::vector<std::string>& texts) {
                             for (const std::string& text : texts) result.push_back(std::stoul(text));
                             all.set_value();
                           });
  });
  all.get_future().wait();
  return result;
}

std::uint64_t Side::spliced_bytes() const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < workers_->size(); ++i) sum += workers_->counters(i).spliced_bytes.value();
  return sum;
}

std::uint64_t Side::closed(EndReason reason) const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < workers_->size(); ++i)
    sum += workers_->counters(i).services[0].closed[static_cast<std::size_t>(reason)].value();
  return sum;
}

std::uint64_t Side::closed() const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kEndReasons.size(); ++i) sum += closed(static_cast<EndReason>(i));
  return sum;
}

ServiceConfig service_of(const std::vector<SocketAddress>& backends) {
  ServiceConfig service;
  service.name = "api";
  service.first_data_timeout = std::chrono::minutes(5);
  service.connect_deadline = std::chrono::seconds(20);
  for (const SocketAddress& address : backends)
    service.backends.push_back(
        {.name = "backend-" + std::to_string(service.backends.size()), .address = address});
  return service;
}

Ends open_session(const Listeners& listeners, Backend& backend, std::string_view first,
                  int receive_buffer_bytes) {
  Ends ends{.client = Peer::connect_to(listeners.address(), receive_buffer_bytes), .backend = {}};
  REQUIRE(ends.client.send(first));
  ends.backend = backend.accept();
  REQUIRE(ends.backend);
  REQUIRE(ends.backend.receive(first.size()) == first);
  return ends;
}

std::vector<Ends> open_sessions(const Listeners& listeners, Backend& backend, std::size_t count) {
  std::vector<Ends> all;
  for (std::size_t i = 0; i < count; ++i) all.push_back(open_session(listeners, backend));
  return all;
}

bool works(Ends& ends) {
  return ends.client.send("ping") && ends.backend.receive(4) == "ping" && ends.backend.send("pong") &&
         ends.client.receive(4) == "pong";
}

void hand_over(Side& from, Side& to, const Listeners& listeners) {
  Link link;
  to.take_over(std::move(link.successor), listeners);
  from.hand_over(std::move(link.predecessor));
  REQUIRE(from.wait_moved());
  REQUIRE(to.wait_inherited());
}

}  // namespace vipward::test
