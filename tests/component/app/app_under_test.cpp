#include "tests/component/app/app_under_test.h"

#include <unistd.h>

#include <csignal>
#include <stdexcept>

#include "lb/net/socket.h"
#include "tests/support/http_client.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

const SocketAddress kAnyPort = *SocketAddress::parse("127.0.0.1:0");

}  // namespace

AppUnderTest::AppUnderTest(ServiceConfig service, unsigned workers) : log_(LogLevel::Debug) {
  std::signal(SIGPIPE, SIG_IGN);  // as the run command does
  AppListeners listeners = open_listeners(workers);
  Config config;
  config.workers = workers;
  service.listen.push_back({.address = address_, .port = address_.port()});
  config.services.push_back(std::move(service));
  config.control_socket.path = control_path();
  // The loop belongs to the thread that makes the app.
  ended_ = std::async(std::launch::async, [this, config = std::move(config),
                                           of_app = std::make_unique<AppListeners>(std::move(listeners))] {
    ProxyApp app(log_.log(), config, 10'000);
    if (!app.prepare().empty()) throw std::runtime_error("no file was asked for");
    app.run(std::move(*of_app));
  });
  // Signals have their watchers before anything is answered.
  const bool answers =
      wait_until([&] { return http_get({.address = admin_address_}, "/livez").is_ok(); }, kPatience);
  if (!answers) throw std::runtime_error("the app does not answer");
}

AppUnderTest::~AppUnderTest() {
  if (ended_.valid()) stop();
}

AppListeners AppUnderTest::open_listeners(unsigned workers) {
  AppListeners listeners;
  listeners.services.resize(workers);
  listeners.services[0].push_back({.service = 0, .socket = listen_tcp(kAnyPort)});
  address_ = SocketAddress::local_of(listeners.services[0][0].socket.get());
  for (unsigned i = 1; i < workers; ++i) {
    listeners.services[i].push_back({.service = 0, .socket = listen_tcp_beside(address_)});
  }
  listeners.admin.push_back(listen_tcp(kAnyPort));
  admin_address_ = SocketAddress::local_of(listeners.admin[0].get());
  listeners.control = listen_unix(control_path(), {});
  return listeners;
}

std::chrono::milliseconds AppUnderTest::stop() {
  const auto start = std::chrono::steady_clock::now();
  kill(getpid(), SIGTERM);
  ended_.get();
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
}

ServiceConfig quick_service(const std::vector<SocketAddress>& backends) {
  ServiceConfig service;
  service.name = "api";
  for (const SocketAddress& address : backends) {
    service.backends.push_back(
        {.name = "backend-" + std::to_string(service.backends.size()), .address = address});
  }
  HealthCheckConfig& check = service.health_check;
  check.protocol = CheckProtocol::Tcp;
  check.interval = Millis{10};
  check.fast_interval = Millis{10};
  check.rise = 1;
  check.fall = 1;
  return service;
}

}  // namespace vipward::test
