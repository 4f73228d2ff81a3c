// Whether this host's own links allow it to hold the VIPs: the interface, its address in the VIP's subnet,
// the tracked interfaces, all by name. Reads a LinkTable, remembers nothing but names. Owner: the
// VirtualRouter.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "lb/net/link_table.h"

namespace vipward {

class OwnLinks {
 public:
  // Finds the interface and who the peers are. Throws std::runtime_error with one sentence that says what is
  // wrong: no interface in the VIP's subnet, no peer list that fits this host (one without peers, multicast,
  // fits every host).
  OwnLinks(const VipConfig& config, const LinkTable& table);
  // The same for one that has its interface already, and knows `own` as addresses of this host. Throws
  // nothing: interface and addresses may be gone at the moment.
  OwnLinks(const VipConfig& config, const LinkTable& table, std::string interface,
           std::vector<IpAddress> own);
  // Why `config` cannot be followed without a restart by a host whose links are these; nullopt: it can.
  std::optional<std::string> refusal_of(const VipConfig& config, const LinkTable& table) const;

  const std::string& interface() const { return interface_; }
  // The hosts of `peers` that are not this one.
  const std::vector<IpAddress>& others() const { return others_; }
  // Those that are.
  const std::vector<IpAddress>& own() const { return own_; }
  // What VRRP packets are sent from now: the address that `peers` names for this host, if it names one, else
  // one of the instance's family in the subnet of the VIP or of a peer; over IPv6 the link-local one for
  // multicast (RFC 9568 5.1.2.1), and for peers that are link-local themselves. nullopt: the interface has
  // none.
  std::optional<IpAddress> source(const LinkTable& table) const;
  // Why nothing can be held or told: "interface eth0 has no carrier". Empty: nothing is wrong.
  std::string interface_fault(const LinkTable& table) const;
  // The same for the tracked ones, the first that is down.
  std::string tracked_fault(const LinkTable& table) const;

 private:
  bool own_peers_are_missing() const { return own_.empty() && others_.size() > 1; }
  std::string address_fault(const LinkTable& table) const;

  int family_;
  bool speaks_link_local_;
  IpAddress anchor_;             // of the VIPs: it tells the interface
  std::vector<IpAddress> vips_;  // all that are held
  std::string interface_;
  std::vector<std::string> tracked_;
  std::vector<IpAddress> others_;
  std::vector<IpAddress> own_;
};

}  // namespace vipward
