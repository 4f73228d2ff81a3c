#include "tests/system/control_plane.h"

#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kPort = 6443;

// Where kube-apiserver is: found at once when it has been built before, in minutes otherwise.
std::string find_binaries() {
  const CommandResult result = run_command({"deploy/kubernetes/build"}, 1200s);
  std::string text = result.standard_output;
  if (!result.succeeded() || text.empty())
    throw std::runtime_error("deploy/kubernetes/build: " + result.standard_error);
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

void run_or_throw(std::vector<std::string> argv) {
  const std::string name = argv.front();
  const CommandResult result = run_command(std::move(argv), 60s);
  if (!result.succeeded())
    throw std::runtime_error(name + ": " + result.standard_output + result.standard_error);
}

}  // namespace

ControlPlane& ControlPlane::instance() {
  static ControlPlane plane(Settings{});
  return plane;
}

ControlPlane::ControlPlane(const Settings& settings)
    : load_balancer_(net_.host("lb1", 21)),
      client_(net_.host("client", 31)),
      service_(settings.service.value_or(load_balancer_.address(kPort))),
      anonymous_(settings.anonymous),
      binaries_(find_binaries()) {
  std::vector<std::string> pki{"deploy/kubernetes/pki", folder_.path(), "--server",
                               "https://" + service_address().to_string()};
  unsigned octet = 11;
  for (const std::string& master : masters_) {
    hosts_.emplace(master, net_.host(master, octet++));
    pki.push_back(hosts_.at(master).address().to_string());
  }
  run_or_throw(std::move(pki));
  tls_ = std::make_shared<ClientTlsContext>(ClientTls{.ca_pem = read_file(pki_file("ca.crt")),
                                                      .certificate_pem = read_file(pki_file("admin.crt")),
                                                      .key_pem = read_file(pki_file("admin.key"))});
  for (const std::string& master : masters_) start_etcd(master);
  for (const std::string& master : masters_) start_apiserver(master);
}

void ControlPlane::start_etcd(const std::string& master) {
  std::string cluster;
  for (const auto& [name, host] : hosts_) {
    cluster += (cluster.empty() ? "" : ",") + name + "=" + host.address().to_string();
  }
  const Host& host = hosts_.at(master);
  etcds_[master].emplace(host.spawn({"deploy/kubernetes/etcd", "--dir", folder_.path(), "--name", master,
                                     "--address", host.address().to_string(), "--cluster", cluster}));
}

void ControlPlane::start_apiserver(const std::string& master) {
  std::string etcd;
  for (const auto& [name, host] : hosts_) {
    etcd += (etcd.empty() ? "" : ",") + std::string("https://") + host.address().to_string() + ":2379";
  }
  const Host& host = hosts_.at(master);
  apiservers_[master].emplace(
      host.spawn({"deploy/kubernetes/apiserver", "--dir", folder_.path(), "--name", master, "--address",
                  host.address().to_string(), "--port", std::to_string(kPort), "--etcd", etcd, "--",
                  std::string("--anonymous-auth=") + (anonymous_ ? "true" : "false"),
                  "--shutdown-delay-duration=" + std::to_string(kShutdownDelay.count()) + "s"},
                 {.environment = {"KUBE_BIN=" + binaries_}}));
}

SocketAddress ControlPlane::api_address(const std::string& master) const {
  return hosts_.at(master).address(kPort);
}

bool ControlPlane::is_ready(const std::string& master) {
  return client_.call([&] {
    return http_get({.address = api_address(master), .tls = tls_, .limit = 3000ms}, "/readyz").is_ok();
  });
}

bool ControlPlane::wait_until_ready(const std::string& master, std::chrono::milliseconds limit) {
  return wait_until([&] { return is_ready(master) || !apiservers_.at(master)->is_running(); }, limit,
                    100ms) &&
         is_ready(master);
}

void ControlPlane::heal() {
  load_balancer_.stop_dropping();
  for (const std::string& master : masters_) {
    etcd(master).signal(SIGCONT);
    apiserver(master).signal(SIGCONT);
    if (!etcd(master).is_running()) start_etcd(master);
    if (!apiserver(master).is_running()) start_apiserver(master);
  }
  for (const std::string& master : masters_) {
    // Once more: one that lost etcd for a while may have ended by itself.
    bool ready = wait_until_ready(master, 120s);
    if (!ready && !apiserver(master).is_running()) {
      start_apiserver(master);
      ready = wait_until_ready(master, 120s);
    }
    REQUIRE_MESSAGE(ready, master, " is not ready:\n", apiserver(master).output_tail(),
                    etcd(master).output_tail(10));
  }
}

ConfigText ControlPlane::config() const {
  ConfigText config;
  config.service = {{"listen", "[\"" + service_address().to_string() + "\"]"}};
  for (const std::string& master : masters_) config.backends[master] = api_address(master).to_string();
  config.health_check = {{"tls", "{ca_file: \"" + pki_file("ca.crt") + "\", certificate_file: \"" +
                                     pki_file("health.crt") + "\", key_file: \"" + pki_file("health.key") +
                                     "\"}"}};
  config.top = Daemon::top_keys(folder_);
  return config;
}

std::unique_ptr<Daemon> ControlPlane::start_vipward(const ConfigText& config) {
  return std::make_unique<Daemon>(load_balancer_, folder_, config.yaml());
}

std::unique_ptr<Daemon> ControlPlane::start_ready_vipward(const ConfigText& config) {
  auto daemon = start_vipward(config);
  REQUIRE(daemon->wait_until_ready(masters_, 20s));
  return daemon;
}

std::vector<std::string> ControlPlane::kubectl_command(std::vector<std::string> arguments) const {
  const std::filesystem::path built = std::filesystem::path(binaries_) / "kubectl";
  std::vector<std::string> argv{std::filesystem::exists(built) ? built.string() : "kubectl", "--kubeconfig",
                                folder_.file("admin.kubeconfig"), "--cache-dir",
                                folder_.file("kubectl-cache")};
  std::move(arguments.begin(), arguments.end(), std::back_inserter(argv));
  return argv;
}

CommandResult ControlPlane::kubectl(std::vector<std::string> arguments, std::chrono::milliseconds limit) {
  return client_.run(kubectl_command(std::move(arguments)), limit);
}

Process ControlPlane::spawn_kubectl(std::vector<std::string> arguments) {
  return client_.spawn(kubectl_command(std::move(arguments)));
}

HttpClient ControlPlane::client(std::chrono::milliseconds limit) const {
  return HttpClient({.address = service_address(), .tls = tls_, .limit = limit});
}

}  // namespace vipward::test
