#include "tests/system/edge_host.h"

#include <signal.h>

#include "tests/system/keepalived_edge.h"
#include "tests/system/vipward_edge.h"

namespace vipward::test {

void EdgeHost::signal_all(const std::vector<pid_t>& pids, int number) {
  for (const pid_t pid : pids) ::kill(pid, number);
}

void EdgeHost::signal_everything(int number) const {
  // Found first: those that are started by another one are no longer its children once it is killed.
  std::vector<pid_t> pids = other_pids();
  for (const auto& more : {keeper_pids(), proxy_pids()}) pids.insert(pids.end(), more.begin(), more.end());
  signal_all(pids, number);
}

std::string_view to_string(Contender contender) {
  return contender == Contender::Vipward ? "vipward" : "keepalived";
}

std::string_view to_string(Transport transport) {
  switch (transport) {
    case Transport::Unicast:
      return "unicast";
    case Transport::Multicast:
      return "multicast";
    case Transport::UnicastIpv6:
      return "IPv6";
  }
  return "";
}

std::unique_ptr<EdgeHost> make_edge(Contender contender, const Host& host, EdgeSettings settings) {
  if (contender == Contender::Vipward) return std::make_unique<VipwardEdge>(host, std::move(settings));
  return std::make_unique<KeepalivedEdge>(host, std::move(settings));
}

}  // namespace vipward::test
