#include "tests/system/edge_pair.h"

#include <stdexcept>

#include "tests/support/http_client.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kPort = 6443;
constexpr auto kStartLimit = 15s;

}  // namespace

IpAddress EdgePair::vip() const {
  return *IpAddress::parse(transport_ == Transport::UnicastIpv6 ? "fd77::100" : "10.77.0.100");
}

EdgePair::EdgePair(Contender first, Contender second, Transport transport)
    : transport_(transport), client_(net_.host("client", 50)) {
  for (const unsigned octet : {11U, 12U, 13U}) {
    masters_.push_back(net_.host("master-" + std::to_string(octet - 10), octet));
    answerers_.emplace_back(masters_.back(), kPort);
  }
  const Host one = net_.host("lb1", 21);
  const Host two = net_.host("lb2", 22);
  lb1_ = make(first, one, two);
  lb2_ = make(second, two, one);
  sniffer_ = std::make_unique<Sniffer>(net_);
}

std::unique_ptr<EdgeHost> EdgePair::make(Contender contender, const Host& host, const Host& peer) const {
  EdgeSettings settings{.vip = vip(), .port = kPort};
  if (transport_ == Transport::Unicast) settings.peer = peer.address();
  if (transport_ == Transport::UnicastIpv6) settings.peer = peer.address_v6();
  for (const Host& master : masters_) settings.backends.push_back(master.address(kPort));
  return make_edge(contender, host, std::move(settings));
}

void EdgePair::start_alone(EdgeHost& holder) {
  holder.start();
  if (!wait_until([&] { return holder.is_ready() && holder.holds_vip(); }, kStartLimit) ||
      !wait_until_served_by(holder, kStartLimit)) {
    throw std::runtime_error(holder.host().name() + " did not take the VIP:\n" + logs());
  }
}

void EdgePair::start(EdgeHost& holder) {
  start_alone(holder);
  EdgeHost& standby = other(holder);
  standby.start();
  if (!wait_until([&] { return standby.is_ready(); }, kStartLimit) || !is_only_holder(holder)) {
    throw std::runtime_error(standby.host().name() +
                             " did not become the backup, holders are: " + holders_text() + "\n" + logs());
  }
}

unsigned EdgePair::holders() const {
  return (lb1_->holds_vip() ? 1U : 0U) + (lb2_->holds_vip() ? 1U : 0U);
}

bool EdgePair::wait_for_holder(const EdgeHost& one, std::chrono::milliseconds limit) const {
  return wait_until([&] { return is_only_holder(one); }, limit, 2ms);
}

bool EdgePair::wait_for_one_holder(std::chrono::milliseconds limit) const {
  return wait_until([&] { return holders() == 1; }, limit, 2ms);
}

std::string EdgePair::holders_text() const {
  std::string text = lb1_->holds_vip() ? "lb1" : "";
  if (lb2_->holds_vip()) text += text.empty() ? "lb2" : " lb2";
  return text.empty() ? "nobody" : text;
}

std::unique_ptr<EstablishedClients> EdgePair::connect_clients(unsigned idle, unsigned silent) const {
  const InsideNamespace here = client_.enter();
  return std::make_unique<EstablishedClients>(
      EstablishedClients::Options{.target = service(), .idle = idle, .silent = silent});
}

EdgePair::Traffic EdgePair::start_traffic() const {
  constexpr std::uint64_t kSteady = 100;
  Traffic traffic{.prober = {}, .clients = connect_clients()};
  const InsideNamespace here = client_.enter();
  traffic.prober = std::make_unique<Prober>(Prober::Options{.target = service()});
  if (!wait_until([&] { return traffic.prober->answered() >= kSteady; }, 10s)) {
    throw std::runtime_error("no steady answers:\n" + logs());
  }
  return traffic;
}

std::string EdgePair::served_by(std::chrono::milliseconds limit) const {
  return client_.call([&]() -> std::string {
    HttpClient client({.address = service(), .limit = limit});
    if (client.send_bytes("\n") != ClientError::None) return "";
    return client.read_line(limit).text;
  });
}

bool EdgePair::wait_until_served_by(EdgeHost& one, std::chrono::milliseconds limit) const {
  return wait_until([&] { return served_by() == one.host().address().to_string(); }, limit);
}

std::string EdgePair::logs() const {
  return "---- lb1\n" + lb1_->log() + "---- lb2\n" + lb2_->log() + "----\n";
}

}  // namespace vipward::test
