// A VRRP packet that was not as it should be, and what is wrong with it. Plain value; `at` is of the steady
// clock.
#pragma once

#include <string>

#include "lb/event/time.h"
#include "lb/net/address.h"

namespace vipward {

struct ExplainedPacket {
  TimePoint at{};
  IpAddress source;
  std::string text;
  bool operator==(const ExplainedPacket&) const = default;
};

}  // namespace vipward
