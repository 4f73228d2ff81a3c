// Hosts on one bridge, and what the tests of the VIP's I/O ask of them. The objects under test are made
// inside a host's namespace and stay there, whichever thread uses them.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lb/event/time.h"
#include "lb/vip/link_watch.h"
#include "tests/support/network.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace vipward::test {

using namespace std::chrono_literals;

inline IpAddress ip(const std::string& text) {
  return IpAddress::parse(text).value();
}

inline void run_ok(const Host& host, std::vector<std::string> argv) {
  const CommandResult result = host.run(std::move(argv));
  CAPTURE(result.standard_error);
  REQUIRE(result.succeeded());
}

// What `ip` prints of the addresses of an interface, one line each.
inline std::string addresses_of(const Host& host, const std::string& interface = "eth0") {
  return host.run({"ip", "-o", "address", "show", "dev", interface}).standard_output;
}

inline bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

template <class T, class... Arguments>
std::unique_ptr<T> make_inside(const Host& host, Arguments&&... arguments) {
  const InsideNamespace here = host.enter();
  return std::make_unique<T>(std::forward<Arguments>(arguments)...);
}

// The VIPs that a case is about.
struct VipPair {
  IpAddress first;
  IpAddress second;
};

// Called at the start of a case without subcases of its own: has it run once with each.
inline VipPair each_family() {
  VipPair pair{ip("10.77.0.100"), ip("10.77.0.101")};
  SUBCASE("IPv4") {}
  SUBCASE("IPv6, one of them link-local") {
    pair = {ip("fd77::100"), ip("fe80::100")};
  }
  SUBCASE("both families") {
    pair = {ip("10.77.0.100"), ip("fd77::100")};
  }
  return pair;
}

// "10.77.0.100/32"
inline std::string host_prefix(const IpAddress& address) {
  return address.to_string() + "/" + std::to_string(address.bits());
}

struct VipBench {
  VipBench() : links_(make_inside<LinkWatch>(holder)) {}

  LinkWatch& links() { return *links_; }
  // The table after all that the kernel has said so far.
  const LinkTable& table() {
    links_->drain(Clock::now());
    return links_->table();
  }
  unsigned index(const std::string& name = "eth0") { return table().find(name)->index; }
  bool is_on(const IpAddress& address, const std::string& name = "eth0") {
    const Link* link = table().find(name);
    return link != nullptr && links_->table().find_host_address(link->index, address) != nullptr;
  }
  // An IPv6 address comes a moment after the request for it: see HostAddress.
  bool comes_on(const IpAddress& address, const std::string& name = "eth0") {
    return wait_until([&] { return is_on(address, name); }, 5s);
  }
  // Of the holder, beside eth0.
  void make_interface(const std::string& name) {
    const std::string other_end = "end" + std::to_string(++interfaces_);
    run_ok(holder, {"ip", "link", "add", "name", name, "type", "veth", "peer", "name", other_end});
    run_ok(holder, {"ip", "address", "add", "10.78.0.10/24", "dev", name});
    run_ok(holder, {"ip", "address", "add", "fd78::10/64", "dev", name, "nodad"});
    run_ok(holder, {"ip", "link", "set", other_end, "up"});
    run_ok(holder, {"ip", "link", "set", name, "up"});
  }

  Network net;
  Host holder = net.host("holder");
  TempDir folder;
  const IpAddress vip = ip("10.77.0.100");

 private:
  std::unique_ptr<LinkWatch> links_;
  int interfaces_ = 0;
};

}  // namespace vipward::test
