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
  std::optional<std::chrono::milliseconds> gap{};             // of the median
  bool clients_are_reset = false;                             // every one in every round, no end of stream
  std::optional<std::chrono::milliseconds> clients_within{};  // the last of them
  bool no_transition = false;
};

struct Fault {
  std::string_view name;   // for --fault
  std::string_view title;  // for the table
  Bars bars;
  // One round; nothing: the contender has no equivalent.
  std::optional<Outcome> (*run)(test::Contender contender);
  bool is_long = false;  // only with --long, once
};

const std::vector<Fault>& all_faults();

// orderly.cpp
std::optional<Outcome> release(test::Contender contender);
std::optional<Outcome> terminate(test::Contender contender);
// deaths.cpp
std::optional<Outcome> kill_proxy(test::Contender contender);
std::optional<Outcome> kill_proxy_alone(test::Contender contender);
std::optional<Outcome> kill_keeper(test::Contender contender);
std::optional<Outcome> kill_everything(test::Contender contender);
std::optional<Outcome> crash_loop(test::Contender contender);
// freezes.cpp
std::optional<Outcome> stop_proxy(test::Contender contender);
std::optional<Outcome> stop_everything(test::Contender contender);
std::optional<Outcome> saturate(test::Contender contender);
// network_faults.cpp
std::optional<Outcome> pull_cable(test::Contender contender);
std::optional<Outcome> remove_address(test::Contender contender);
std::optional<Outcome> third_host(test::Contender contender);

}  // namespace vipward::perf
