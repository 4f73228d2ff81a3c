// How the routers of a virtual router talk to each other and about what: everything that they have to agree
// about.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lb/net/address.h"
#include "tests/support/process.h"

namespace vipward::test {

// Of version 2, as captured from keepalived; eight bytes fill the field.
constexpr const char* kV2Password = "s3cretpw";

enum class Addressing : std::uint8_t {
  Ipv4,
  Ipv6,
  Dual,      // over IPv4; the IPv6 address rides along
  DualOver6  // over IPv6; the IPv4 address rides along
};

struct Speech {
  int version = 3;
  std::string password{};  // version 2: at most 8 bytes; empty: none
  bool is_multicast = false;
  Addressing addressing = Addressing::Ipv4;
  bool old_checksum = false;  // of keepalived by unicast, up to its version 1.3.6
  unsigned vrid = 100;        // 1 to 254
  unsigned address = 0;       // last part of the VIPs; 0: as the VRID
  Millis v3_interval{100};
  Millis v2_interval{1000};

  std::string to_string() const;  // "v2 PASS, multicast, IPv4"
  bool is_over_ipv6() const { return addressing == Addressing::Ipv6 || addressing == Addressing::DualOver6; }
  Millis interval() const { return version == 2 ? v2_interval : v3_interval; }
  // That clients use: 10.77.0.N and fd77::N (in the digits of the first), or one of them.
  std::vector<IpAddress> vips() const;
  // 00-00-5E-00-02-VRID as an interface's address: what vipward adds over IPv6, and keepalived has to be
  // told.
  IpAddress link_local_vip() const;
};

// With the length of the Network's subnets: "10.77.0.100/24", "fd77::100/64".
std::string in_subnet(const IpAddress& address);
// "10.77.0.100/32", "fd77::100/128".
std::string as_host(const IpAddress& address);

}  // namespace vipward::test
