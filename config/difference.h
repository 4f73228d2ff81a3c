// What a reload from one configuration to another means. Pure. What needs a restart is refused, everything
// else is said, one line for people each, in the order of the file.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace vipward::config {

// A backend that the new configuration does not name, or not with this address. One that is there under
// another name alone does not depart.
struct DepartingBackend {
  std::string service;
  std::string backend;
  SocketAddress address;
  Millis drain_timeout{};  // of its service, before
};

struct Difference {
  struct Count {
    std::size_t added = 0;
    std::size_t removed = 0;
    std::size_t kept = 0;
    bool operator==(const Count&) const = default;
  };
  std::vector<std::string> refusals;  // "vip.virtual_router_id: 51 -> 52 needs a restart ..."
  std::vector<std::string> changes;   // "api: backend master-4 (10.0.0.14:6443) added"
  std::vector<DepartingBackend> departing;
  // Of all services together. A backend is the same if its service and address are.
  Count backends;
  Count listeners;
};

// How to change what all hosts have to say alike.
inline constexpr std::string_view kOtherSpeech =
    "the hosts must change it together: stop vipward on the standby, restart it here, start the standby";

Difference difference_of(const Config& from, const Config& to);
// "backends: 1 added, 0 removed, 2 kept; listeners: 0 added, 0 removed, 1 kept".
std::string counts_text(const Difference& difference);

}  // namespace vipward::config
