// Hosts for system tests: network namespaces on one bridge, which has a namespace of its own, so that nothing
// of it shows on the machine and parallel tests do not meet. Needs root. Everything goes with the Network;
// what a killed run left behind is removed by the next one (names carry the pid of the test).
//
//   Network net;
//   Host lb1 = net.host("lb1");
//   Process daemon = lb1.spawn({"vipward", "run", "-c", file});
//   lb1.pull_cable();
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "lb/net/address.h"
#include "lb/net/fd.h"
#include "tests/support/process.h"

namespace vipward::test {

// The calling thread is inside a network namespace while this lives: sockets it opens, threads and processes
// it starts belong there. Must go on the thread that made it.
class InsideNamespace {
 public:
  explicit InsideNamespace(int namespace_fd);
  ~InsideNamespace();
  InsideNamespace(const InsideNamespace&) = delete;
  InsideNamespace& operator=(const InsideNamespace&) = delete;

 private:
  Fd before_;
};

// A handle to a host of a Network, as cheap as a pointer; valid while the Network lives. Any thread, one at a
// time.
class Host {
 public:
  const std::string& name() const;
  // As ip netns knows it.
  const std::string& namespace_name() const;
  int namespace_fd() const;
  // Of eth0: 10.77.0.N/24. Loopback is up as well, all of 127.0.0.0/8.
  IpAddress address() const;
  SocketAddress address(std::uint16_t port) const { return {address(), port}; }
  // Of eth0 too: fd77::N/64, N written as in address(). And the one that the kernel makes of the MAC.
  IpAddress address_v6() const;
  IpAddress link_local() const;

  Process spawn(std::vector<std::string> argv, Process::Options options = {}) const;
  CommandResult run(std::vector<std::string> argv, Millis limit = Millis{30000},
                    Process::Options options = {}) const;
  // The same for this thread: see InsideNamespace.
  InsideNamespace enter() const { return InsideNamespace(namespace_fd()); }
  // Runs `function` on a fresh thread inside the host, waits for it and passes on what it returns or throws.
  template <class Function>
  std::invoke_result_t<Function> call(Function&& function) const;

  // Of eth0, "02:00:5e:00:00:01".
  std::string mac() const;
  // On any interface of the host, now.
  bool has_address(const IpAddress& address) const;
  // Takes `address` off eth0, as an administrator or a network daemon would; and puts it on, for itself
  // alone.
  void remove_address(const IpAddress& address) const;
  void add_address(const IpAddress& address) const;
  // The hop limit of IPv6 packets of programs that do not set one; the kernel's is 64.
  void set_hop_limit(unsigned limit) const;
  // The MAC that packets to `address` would go to; empty: the neighbour cache knows none.
  std::string neighbour(const IpAddress& address) const;
  void forget_neighbour(const IpAddress& address) const;

  // The bridge port goes down: the host keeps its address and sees no carrier.
  void pull_cable();
  void plug_cable();
  // The bridge lets go of the port and takes it back: the host keeps its carrier and reaches nobody.
  void isolate();
  void rejoin();
  // Packets from this host to `target` (port 0: any) vanish on the way, unseen by their sender; to a loopback
  // address too. Adds to what is dropped already.
  void drop_packets_to(const SocketAddress& target);
  void drop_packets_to(const IpAddress& target) { drop_packets_to(SocketAddress(target, 0)); }
  // The same for an IP protocol (112: VRRP), whatever the target.
  void drop_protocol(unsigned protocol);
  void stop_dropping();

 private:
  friend class Network;
  struct State;
  explicit Host(State& state) : state_(&state) {}
  void drop_on_the_bridge(const std::string& rule);
  State* state_;
};

class Network {
 public:
  // Throws if the machine or the user's rights do not allow it.
  Network();
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  // Makes the host at its first mention. `last_octet`: 10.77.0.N; 0: the next free one from 10 on.
  Host host(const std::string& name, unsigned last_octet = 0);
  // This thread is where the bridge is, whose ports are called like the hosts: see InsideNamespace.
  InsideNamespace enter_bridge() const { return InsideNamespace(bridge_.get()); }

 private:
  std::string prefix_;  // of the names of namespaces
  Fd bridge_;
  std::vector<std::unique_ptr<Host::State>> hosts_;
};

template <class Function>
std::invoke_result_t<Function> Host::call(Function&& function) const {
  using Result = std::invoke_result_t<Function>;
  std::exception_ptr error;
  const auto inside = [&](auto&& use) {
    std::thread([&] {
      try {
        const InsideNamespace here(namespace_fd());
        use();
      } catch (...) {
        error = std::current_exception();
      }
    }).join();
    if (error) std::rethrow_exception(error);
  };
  if constexpr (std::is_void_v<Result>) {
    inside([&] { function(); });
  } else {
    std::optional<Result> result;
    inside([&] { result.emplace(function()); });
    return std::move(*result);
  }
}

}  // namespace vipward::test
