#include "perf/data_path/vip_holder.h"

#include <array>
#include <stdexcept>
#include <utility>

#include "perf/contenders/process_family.h"
#include "tests/support/test_pki.h"
#include "tests/support/wait.h"

namespace vipward::perf {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kPort = 6443;
constexpr std::uint16_t kCheckPort = 16443;
constexpr const char* kVip = "10.77.0.100";
constexpr auto kStartLimit = 20s;
// The octets of the backends' addresses.
constexpr std::array kMasters{11U, 12U, 13U};

}  // namespace

VipHolder::VipHolder(std::string binary)
    : binary_(std::move(binary)), holder_(net_.host("lb1", 21)), client_(net_.host("client", 50)) {
  const test::TestCa ca;
  test::CertificateRequest request;
  std::vector<test::Host> masters;
  for (const unsigned octet : kMasters) {
    masters.push_back(net_.host("master-" + std::to_string(octet - kMasters.front() + 1), octet));
    request.ips.push_back(masters.back().address().to_string());
  }
  const test::CertificateAndKey server = ca.issue(request);
  folder_.file("ca.crt", ca.certificate_pem());
  folder_.file("server.crt", server.certificate);
  folder_.file("server.key", server.key);
  for (const test::Host& master : masters) add_backend(master);
  folder_.file("vipward.yaml", config());
  vipward_ = std::make_unique<test::Process>(
      holder_.spawn({binary_, "run", "--config", folder_.file("vipward.yaml")}));
  if (!test::wait_until([this] { return is_healthy(); }, kStartLimit, 100ms))
    throw std::runtime_error("vipward does not hold the VIP with all backends ready:\n" + log());
}

void VipHolder::add_backend(const test::Host& host) {
  const test::InsideNamespace here = host.enter();
  backends_.push_back(std::make_unique<ExchangeBackend>(host.address(kPort)));
  checked_.push_back(
      test::Process({STANDIN_APISERVER, "--listen", host.address(kCheckPort).to_string(), "--cert",
                     folder_.file("server.crt"), "--key", folder_.file("server.key")}));
}

std::string VipHolder::config() const {
  std::string text = "services:\n  - name: api\n    listen: \"" + address().to_string() +
                     "\"\n    health_check: {port: " + std::to_string(kCheckPort) + ", tls: {ca_file: \"" +
                     folder_.file("ca.crt") + "\"}}\n    backends:\n";
  for (const auto& backend : backends_) text += "      - \"" + backend->address().to_string() + "\"\n";
  return text + "vip:\n  addresses: [" + kVip +
         "/24]\n  virtual_router_id: 100\n  advertise_interval: 100ms\n  startup_delay: 0s\n" +
         "control_socket: {path: \"" + folder_.file("control.sock") + "\"}\nuser: nobody\n";
}

SocketAddress VipHolder::address() const {
  return {*IpAddress::parse(kVip), kPort};
}

std::chrono::nanoseconds VipHolder::cpu_time() const {
  return family_cpu_time(vipward_->pid());
}

// The status of the command says whether all is well, and it is not before everything has been checked.
bool VipHolder::is_healthy() const {
  return holder_.has_address(*IpAddress::parse(kVip)) &&
         test::run_command({binary_, "status", "--control-socket", folder_.file("control.sock")}).succeeded();
}

void VipHolder::require_healthy(std::size_t sessions) const {
  std::size_t living = 0;
  for (const auto& backend : backends_) living += backend->connections();
  if (living != sessions)
    throw std::runtime_error("of " + std::to_string(sessions) + " sessions " + std::to_string(living) +
                             " are left:\n" + log());
  if (!is_healthy()) throw std::runtime_error("vipward is not well any more:\n" + log());
}

std::string VipHolder::log() const {
  return vipward_->output_tail();
}

}  // namespace vipward::perf
