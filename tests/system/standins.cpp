#include "tests/system/standins.h"

#include <doctest/doctest.h>

#include <stdexcept>

#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kPort = 6443;

}  // namespace

std::string Standins::pki_file(const std::string& name) {
  static const TempDir folder;
  static const bool made = [] {
    const CommandResult result =
        run_command({"deploy/kubernetes/pki", folder.path(), "127.0.0.11", "127.0.0.12", "127.0.0.13",
                     "--server", "https://127.0.0.1:6443"});
    if (!result.succeeded()) throw std::runtime_error("deploy/kubernetes/pki: " + result.standard_error);
    return true;
  }();
  (void)made;
  return folder.path() / "pki" / name;
}

Standins::Standins(const std::vector<std::string>& arguments)
    : host_(net_.host("lb")),
      inside_(host_.namespace_fd()),
      arguments_(arguments),
      tls_(std::make_shared<ClientTlsContext>(ClientTls{.ca_pem = read_file(pki_file("ca.crt"))})) {
  for (const std::string& name : names_) start_backend(name);
}

void Standins::start_backend(const std::string& name) {
  std::vector<std::string> argv{
      STANDIN_APISERVER,         "--listen", address_of(name).to_string(), "--name", name, "--cert",
      pki_file("apiserver.crt"), "--key",    pki_file("apiserver.key")};
  argv.insert(argv.end(), arguments_.begin(), arguments_.end());
  backends_[name].emplace(argv);
  REQUIRE_MESSAGE(backends_[name]->wait_for_line("^listening on ", 10s), backends_[name]->output());
}

SocketAddress Standins::address_of(const std::string& backend) const {
  // master-1 -> 127.0.0.11
  return {*IpAddress::parse("127.0.0.1" + backend.substr(backend.size() - 1)), kPort};
}

SocketAddress Standins::service_address() {
  return {*IpAddress::parse("127.0.0.1"), kPort};
}

void Standins::control(const std::string& backend, const std::string& query) {
  HttpClient client({.address = address_of(backend), .tls = tls_});
  const HttpResponse response = client.send({.method = "PUT", .path = "/control?" + query});
  REQUIRE_MESSAGE(response.is_ok(), describe(response));
}

ConfigText Standins::config() const {
  ConfigText config;
  config.service = {{"listen", "[\"" + service_address().to_string() + "\"]"},
                    {"connect", "{timeout: 500ms, deadline: 1500ms}"}};
  for (const std::string& name : names_) config.backends[name] = address_of(name).to_string();
  config.health_check = {{"interval", "250ms"},
                         {"fast_interval", "100ms"},
                         {"connect_timeout", "500ms"},
                         {"response_timeout", "1s"},
                         {"tls", "{ca_file: \"" + pki_file("ca.crt") + "\"}"}};
  config.top = Daemon::top_keys(folder_);
  return config;
}

Daemon& Standins::start_vipward(const ConfigText& config, const Process::Options& options) {
  vipward_.reset();
  return vipward_.emplace(host_, folder_, config.yaml(), options);
}

Daemon& Standins::start_ready_vipward(const ConfigText& config, const Process::Options& options) {
  Daemon& daemon = start_vipward(config, options);
  REQUIRE(daemon.wait_until_ready(names_, 15s));
  return daemon;
}

HttpClient Standins::client(std::chrono::milliseconds limit) const {
  return HttpClient({.address = service_address(), .tls = tls_, .limit = limit});
}

HttpClient Standins::byte_client(std::chrono::milliseconds limit) const {
  return HttpClient({.address = service_address(), .limit = limit});
}

std::unique_ptr<HttpClient> Standins::client_on(const std::string& backend) const {
  // Enough that a random choice finds it; those that end elsewhere stay open until it is found, so that
  // least_connections moves on.
  std::vector<std::unique_ptr<HttpClient>> others;
  for (int i = 0; i < 60; ++i) {
    auto candidate = std::make_unique<HttpClient>(client());
    if (candidate->get("/whoami").body == backend + "\n") return candidate;
    others.push_back(std::move(candidate));
  }
  throw std::runtime_error("no session on " + backend);
}

std::map<std::string, unsigned> Standins::ask(unsigned count) const {
  std::map<std::string, unsigned> answers;
  for (unsigned i = 0; i < count; ++i) {
    const HttpResponse response = http_get({.address = service_address(), .tls = tls_}, "/whoami");
    std::string answer = response.is_ok() ? response.body : std::string(to_string(response.error));
    if (answer.ends_with('\n')) answer.pop_back();
    ++answers[answer];
  }
  return answers;
}

Standins::FirstByte Standins::send_first_byte() const {
  HttpClient client = byte_client(10s);
  const auto start = std::chrono::steady_clock::now();
  FirstByte result;
  result.error = client.send_bytes("\n");
  if (result.error == ClientError::None) result.error = client.read_line(10s).error;
  result.duration =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  return result;
}

}  // namespace vipward::test
