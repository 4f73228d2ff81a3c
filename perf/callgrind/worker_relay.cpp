// vipward's worker alone, on a loop of its own: what relays, without guardian, checks and admin. valgrind
// knows no pidfd_open(2), which the guardian cannot do without. Only for perf/instructions.
//   perf_worker_relay PORT BACKEND_PORT...   on 127.0.0.1, until a signal ends it
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "lb/net/socket.h"
#include "lb/proxy/worker.h"

namespace vipward {
namespace {

constexpr std::uint32_t kCapacity = 1000;

SocketAddress local(const std::string& port) {
  const auto address = SocketAddress::parse("127.0.0.1:" + port);
  if (!address) throw std::invalid_argument("no port: " + port);
  return *address;
}

void serve(const SocketAddress& address, const std::vector<SocketAddress>& backends) {
  ServiceConfig service;
  service.name = "api";
  service.access_log = false;
  for (const SocketAddress& backend : backends)
    service.backends.push_back({.name = backend.to_string(), .address = backend, .weight = 1});

  Log log({});
  ProxyLoad load;
  load.capacity = kCapacity;
  load.services.emplace_back(backends.size());
  WorkerCounters counters;
  counters.services.emplace_back(backends.size());
  Loop loop;
  std::vector<ServiceListener> listeners;
  listeners.push_back({.service = 0, .socket = listen_tcp(address)});
  Worker worker(loop, log, {service}, std::move(listeners), load, counters,
                {.on_connect_refused = [](BackendId) {}, .on_beat = [] {}});
  for (std::size_t i = 0; i < backends.size(); ++i)
    worker.set_standing({.service = 0, .backend = i}, {.state = BackendState::Ready, .since = loop.now()});
  loop.run();
}

}  // namespace
}  // namespace vipward

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: perf_worker_relay PORT BACKEND_PORT...\n";
    return 2;
  }
  try {
    std::vector<vipward::SocketAddress> backends;
    for (int i = 2; i < argc; ++i) backends.push_back(vipward::local(argv[i]));
    vipward::serve(vipward::local(argv[1]), backends);
  } catch (const std::exception& error) {
    std::cerr << "perf_worker_relay: " << error.what() << "\n";
    return 1;
  }
}
