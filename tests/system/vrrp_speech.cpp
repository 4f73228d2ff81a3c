#include "tests/system/vrrp_speech.h"

#include <cstdio>

namespace vipward::test {
namespace {

IpAddress ip(const std::string& text) {
  return *IpAddress::parse(text);
}

}  // namespace

std::string Speech::to_string() const {
  std::string text = "v" + std::to_string(version);
  if (!password.empty()) text += " PASS";
  text += is_multicast ? ", multicast" : ", unicast";
  switch (addressing) {
    case Addressing::Ipv4:
      return text + ", IPv4";
    case Addressing::Ipv6:
      return text + ", IPv6";
    case Addressing::Dual:
      return text + ", IPv4 + IPv6";
    case Addressing::DualOver6:
      return text + ", IPv6 + IPv4";
  }
  return text;
}

std::vector<IpAddress> Speech::vips() const {
  const std::string last = std::to_string(address != 0 ? address : vrid);
  const IpAddress v4 = ip("10.77.0." + last);
  const IpAddress v6 = ip("fd77::" + last);
  switch (addressing) {
    case Addressing::Ipv4:
      return {v4};
    case Addressing::Ipv6:
      return {v6};
    case Addressing::Dual:
      return {v4, v6};
    case Addressing::DualOver6:
      return {v6, v4};
  }
  return {};
}

IpAddress Speech::link_local_vip() const {
  char text[32];
  std::snprintf(text, sizeof text, "fe80::200:5eff:fe00:2%02x", vrid);
  return ip(text);
}

std::string in_subnet(const IpAddress& address) {
  return address.to_string() + (address.is_v4() ? "/24" : "/64");
}

std::string as_host(const IpAddress& address) {
  return address.to_string() + (address.is_v4() ? "/32" : "/128");
}

}  // namespace vipward::test
