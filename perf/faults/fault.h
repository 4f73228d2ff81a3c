// What is done to the holder, and the bars that vipward has to meet for it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "perf/faults/trial.h"

namespace vipward::perf {

struct Bars {
  std::optional<std::chrono::milliseconds> gap{};  // of the median
  // By multicast, if it is another one: several may stand by, so each waits its skew after a release (RFC
  // 9568 6.1), which at priority 100 and 100 ms is 61 ms.
  std::optional<std::chrono::milliseconds> gap_by_multicast{};
  bool clients_are_reset = false;                             // every one in every round, no end of stream
  std::optional<std::chrono::milliseconds> clients_within{};  // the last of them
  bool no_transition = false;

  std::optional<std::chrono::milliseconds> gap_by(test::Transport transport) const {
    return transport == test::Transport::Multicast && gap_by_multicast ? gap_by_multicast : gap;
  }
};

struct Fault {
  std::string_view name;   // for --fault
  std::string_view title;  // for the table
  Bars bars;
  // One round; nothing: the contender has no equivalent.
  std::optional<Outcome> (*run)(const Pairing& pairing);
  bool by_every_transport = false;  // else by IPv4 unicast alone, as how they speak is no part of it
  bool is_long = false;             // only with --long, once
};

const std::vector<Fault>& all_faults();

// orderly.cpp
std::optional<Outcome> release(const Pairing& pairing);
std::optional<Outcome> terminate(const Pairing& pairing);
// deaths.cpp
std::optional<Outcome> kill_proxy(const Pairing& pairing);
std::optional<Outcome> kill_proxy_alone(const Pairing& pairing);
std::optional<Outcome> kill_keeper(const Pairing& pairing);
std::optional<Outcome> kill_everything(const Pairing& pairing);
std::optional<Outcome> crash_loop(const Pairing& pairing);
// freezes.cpp
std::optional<Outcome> stop_proxy(const Pairing& pairing);
std::optional<Outcome> stop_everything(const Pairing& pairing);
std::optional<Outcome> saturate(const Pairing& pairing);
// network_faults.cpp
std::optional<Outcome> pull_cable(const Pairing& pairing);
std::optional<Outcome> remove_address(const Pairing& pairing);
std::optional<Outcome> third_host(const Pairing& pairing);

}  // namespace vipward::perf
