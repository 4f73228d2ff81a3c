// What the guardian leaves to its next image when it re-executes itself: its state as values, its descriptors
// by number. Written as JSON into a memfd, read once; fields that a reader does not know are skipped, those
// that it misses have their defaults, and kHeritageVersion says when that is no longer enough: it also stands
// for the messages between the processes (lb/channel, lb/handover), of which an upgrade's two halves are of
// different binaries. Times are of the steady clock, which goes on across an execve(2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "lb/channel/messages.h"
#include "lb/guardian/account.h"
#include "lb/guardian/control_server.h"
#include "lb/guardian/handover_report.h"
#include "lb/guardian/listener_set.h"
#include "lb/guardian/operator_commands.h"
#include "lb/guardian/proxy_process.h"
#include "lb/guardian/supervisor.h"
#include "lb/vip/vip_memory.h"

namespace vipward {

inline constexpr int kHeritageVersion = 2;

struct Heritage {
  int version = kHeritageVersion;
  std::string executable_path;
  std::string config_text;
  std::optional<Account> proxy_account;
  std::int64_t config_loaded_unix_ms = 0;

  std::uint64_t generations = 0;  // started so far
  Supervisor::Memory supervisor;
  std::optional<ProxyProcess::Lent> predecessor;  // serves until now
  std::optional<ProxyProcess::Lent> successor;    // is prepared
  HandoverReport::Begun handover;
  std::vector<channel::DepartingBackend> departing;
  std::optional<std::string> drains;  // Drains::text(); absent: the file is read
  bool every_service_has_living = true;
  HistogramSnapshot loop_lag;

  std::vector<ListenerSet::Lent> listeners;
  bool refusing_on_vips = false;  // those among them
  ControlServer::Lent control;
  OperatorCommands::Lent operator_commands;
  std::optional<VipMemory> vip;
  std::optional<int> vrrp_socket;
};

std::string to_text(const Heritage& heritage);
// A text instead of a Heritage says why it cannot be used: another version, not one of ours.
std::variant<Heritage, std::string> parse_heritage(std::string_view text);
// Every descriptor that it names, each once.
std::vector<int> descriptors_of(const Heritage& heritage);

}  // namespace vipward
