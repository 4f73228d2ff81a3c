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
    std::string service_name;
    std::uint32_t address_index = 0;  // in the service's list
    SocketAddress address;
    bool on_vip = false;  // released with the VIP
    std::vector<Fd> sockets;
  };

  // Sockets that are there already, on one address: an earlier generation's of the same process.
  struct Inherited {
    SocketAddress address;
    std::vector<Fd> sockets;
  };

  // Listens on everything the configuration names. Throws std::runtime_error that names the address.
  ListenerSet(const Config& config, Log& log);
  // From another set: of `inherited` it takes what it can use, and the rest is closed. What is new is bound,
  // so that a port that is taken is an error, and nobody gets in before listen(): a client that the kernel
  // gave to 10.0.0.1:6443, which is nobody's yet, instead of to 0.0.0.0:6443, which is served, would be lost
  // with this set. Throws std::runtime_error that names the address.
  ListenerSet(const Config& config, Log& log, std::vector<Inherited> inherited);

  // What another set can be made from, in this process or in its next image. Copies; throws std::system_error
  // if no descriptor is left.
  std::vector<Inherited> copies() const;
  // The same by number: the sockets stay this set's.
  struct Lent {
    SocketAddress address;
    std::vector<int> sockets;
  };
  std::vector<Lent> lent() const;

  const std::vector<Group>& services() const { return services_; }
  struct AdminListener {
    SocketAddress address;  // as configured
    bool on_vip = false;    // is not released with it
    Fd socket;
  };
  const std::vector<AdminListener>& admin() const { return admin_; }

  // Listens on everything that does not yet, but for VIPs that are refused. What went wrong first, or
  // nothing; check() tries that again.
  std::string listen();

  // Resets what is queued on the VIPs and refuses what comes (shutdown(2)); listen_again() follows once the
  // addresses are off, for the next time they are here.
  void refuse_on_vips();
  void listen_again();
  bool is_refusing_on_vips() const { return refusing_; }
  // The same for all listeners, for good.
  void close_all();

  // Looks whether every listener still listens (somebody may destroy sockets from outside: ss -K) and repairs
  // what it can, with a log line. False: clients are refused somewhere.
  bool check();
  // The addresses that are refused, if check() said so: "10.0.0.100:6443".
  const std::string& lost() const { return lost_; }

 private:
  std::vector<Group> services_;
  std::vector<AdminListener> admin_;
  Log& log_;
  bool refusing_ = false;  // on the VIPs
  std::string lost_;
};

}  // namespace vipward
