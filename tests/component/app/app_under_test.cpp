#include "tests/component/app/app_under_test.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <stdexcept>

#include "lb/app/generation.h"
#include "lb/net/socket.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

Fd copy_of(const Fd& fd) {
  return Fd(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
}

std::string yaml_of(const AppConfig& config, const SocketAddress& address, const SocketAddress& admin) {
  std::string backends;
  for (const SocketAddress& backend : config.backends) {
    backends += (backends.empty() ? "" : ", ") + std::string("{name: backend-") +
                std::to_string(std::count(backends.begin(), backends.end(), '{')) + ", address: \"" +
                backend.to_string() + "\"}";
  }
  return "services:\n  - name: api\n    listen: [\"" +
         SocketAddress(*IpAddress::parse(config.listen), address.port()).to_string() +
         "\"]\n    backends: [" + backends + "]\n    health_check: " + config.health_check +
         "\nadmin: {listen: [\"" + admin.to_string() + "\"]}\nworkers: " + std::to_string(config.workers) +
         "\nlog: {level: debug}\n" + (config.vip.empty() ? "" : "vip: " + config.vip + "\n");
}

}  // namespace

Fd memory_file(std::string_view content) {
  Fd file(memfd_create("test", MFD_CLOEXEC));
  if (write(file.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size())) {
    throw std::runtime_error("no memory file");
  }
  return file;
}

AppUnderTest::AppUnderTest(Prepared prepared)
    : config_(std::move(prepared.config)), log_(LogLevel::Debug), vitals_(channel::VitalsPage::create()) {
  std::signal(SIGPIPE, SIG_IGN);  // as the proxy command does
  open_listeners();
  text_ = yaml_of(config_, address_, admin_address_);
  channel::Pair pair = channel::create_pair();
  guardian_ = std::make_unique<TestGuardian>(std::move(pair.guardian), listen_unix(control_path(), {}));
  // The loop belongs to the thread that makes it.
  ended_ = std::async(std::launch::async, [log_fd = log_.fd(), end = pair.proxy.release()] {
    return Generation(Fd(end), {.log_fd = log_fd, .descriptor_limit = 20'000}).run();
  });
  send_setup();
  channel::ServiceListeners service;
  for (const Fd& listener : listeners_) service.sockets.push_back(copy_of(listener));
  guardian_->send(std::move(service));
  channel::AdminListeners admin;
  admin.sockets.push_back(copy_of(admin_listener_));
  guardian_->send(std::move(admin));
}

AppUnderTest::AppUnderTest(AppConfig config) : AppUnderTest(Prepared{std::move(config)}) {
  guardian_->send(channel::Serve{});
  if (!wait_ready()) throw std::runtime_error("the app does not serve:\n" + log_.text());
}

AppUnderTest::~AppUnderTest() {
  if (ended_.valid()) stop();
}

void AppUnderTest::open_listeners() {
  const SocketAddress any_port({*IpAddress::parse(config_.listen)}, 0);
  listeners_.push_back(listen_tcp(any_port));
  const SocketAddress bound = SocketAddress::local_of(listeners_[0].get());
  while (listeners_.size() < channel::kListenersPerAddress) listeners_.push_back(listen_tcp_beside(bound));
  address_ =
      bound.ip().is_unspecified() ? SocketAddress(*IpAddress::parse("127.0.0.1"), bound.port()) : bound;
  admin_listener_ = listen_tcp(*SocketAddress::parse("127.0.0.1:0"));
  admin_address_ = SocketAddress::local_of(admin_listener_.get());
}

void AppUnderTest::send_setup() {
  guardian_->send(channel::Setup{.generation = config_.generation,
                                 .config_name = "test.yaml",
                                 .config_text = memory_file(text_),
                                 .vitals = Fd(fcntl(vitals_.fd(), F_DUPFD_CLOEXEC, 0)),
                                 .departing = config_.departing});
}

bool AppUnderTest::wait_ready() const {
  return wait_until([&] { return !guardian_->heard<channel::Ready>().empty(); }, kPatience);
}

bool AppUnderTest::wait_backends(bool living) const {
  return wait_until(
      [&] {
        const auto heard = guardian_->heard<channel::Backends>();
        return !heard.empty() && heard.back().every_service_has_living == living;
      },
      kPatience);
}

std::chrono::milliseconds AppUnderTest::stop() {
  const auto start = std::chrono::steady_clock::now();
  guardian_->send(channel::Stop{.reason = "SIGTERM"});
  wait_exit();
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
}

int AppUnderTest::wait_exit() {
  const int exit_code = ended_.get();
  listeners_.clear();
  admin_listener_.reset();
  return exit_code;
}

}  // namespace vipward::test
