// Every TCP listener of vipward, opened once by the guardian and lent to each generation of the proxy: while
// none lives, clients queue in the kernel. kListenersPerAddress SO_REUSEPORT sockets per address, whatever
// the number of workers is (fewer sockets later would reset what is queued in the others). Owner: the
// GuardianApp; its thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.h"
#include "lb/log/log.h"
#include "lb/net/address.h"
#include "lb/net/fd.h"

namespace vipward {

class ListenerSet {
 public:
  // One address of a service and its sockets.
  struct Group {
    std::uint32_t service = 0;
    std::uint32_t address_index = 0;  // in the service's list
    SocketAddress address;
    bool on_vip = false;  // released with the VIP
    std::vector<Fd> sockets;
  };

  // Listens on everything the configuration names. Throws std::system_error that names the address.
  ListenerSet(const Config& config, Log& log);

  const std::vector<Group>& services() const { return services_; }
  const std::vector<Fd>& admin() const { return admin_; }

  // Resets what is queued on the VIPs and refuses what comes (shutdown(2)); listen_again() follows once the
  // addresses are off, for the next time they are here.
  void refuse_on_vips();
  void listen_again();
  // The same for all listeners, for good.
  void close_all();

  // Looks whether every listener still listens (somebody may destroy sockets from outside: ss -K) and repairs
  // what it can, with a log line. False: clients are refused somewhere.
  bool check();
  // The addresses that are refused, if check() said so: "10.0.0.100:6443".
  const std::string& lost() const { return lost_; }

 private:
  std::vector<Group> services_;
  std::vector<Fd> admin_;
  Log& log_;
  bool refusing_ = false;  // on the VIPs
  std::string lost_;
};

}  // namespace vipward
