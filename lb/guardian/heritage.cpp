#include "lb/guardian/heritage.h"

#include "lb/guardian/json_values.h"

namespace vipward {
namespace channel {
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DepartingBackend, service, backend, address, leaves_at_ns)
}

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Account, user, group)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(HistogramSnapshot, bounds, bucket_count, counts, sum)

// The types of classes, by names that the macro takes.
using SupervisorMemory = Supervisor::Memory;
using LentProxy = ProxyProcess::Lent;
using BegunHandover = HandoverReport::Begun;
using LentListeners = ListenerSet::Lent;
using LentClient = ControlServer::LentClient;
using LentControl = ControlServer::Lent;
using LentCommands = OperatorCommands::Lent;

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SupervisorMemory, deaths, restarts)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(LentProxy, number, pid, pidfd, channel, vitals, start_known)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(BegunHandover, kind, reply, asked_at, committed_at,
                                                predecessor, successor, from_version, changes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(LentListeners, address, sockets)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(LentClient, socket, line)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(LentControl, listener, clients)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(LentCommands, is_holding, holds_until, pending_reply,
                                                pending_since)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(LastHeard, source, priority, interval, at)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(InstanceMemory, state, candidacy, learnt, last_heard,
                                                active_since, last_sent, told, advertise_at, contested_until,
                                                contested_since, quiet_since, heard, discarded, released,
                                                down_at, lower_since, fault_gone_at, startup_until,
                                                stall_until)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(AnnounceMemory, running, rounds_from, round, in_round,
                                                last_round, last_restart, round_gap, probe_at)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(HeldAddress, address, interface, was_on)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(KeeperMemory, wanted, held)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(KeepingMemory, addresses, problem, retry_at, pause,
                                                incomplete_since)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ConflictMemory, since, until, last)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ExplainedPacket, at, source, text)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(VipCounters, transitions, advertisements_sent,
                                                advertisements_received, rejected, announcements, restored,
                                                conflicts)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(VipMemory, interface, own_peers, source, password, interval,
                                                advertised, socket_interface, links_usable, wish, wish_why,
                                                instance, announcing, keeping, conflict, last_explained,
                                                arrived_at, counters, since, reason, peer_heard_at)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Heritage, version, executable_path, config_text,
                                                proxy_account, config_loaded_unix_ms, generations, supervisor,
                                                predecessor, successor, handover, departing, drains,
                                                every_service_has_living, loop_lag, listeners,
                                                refusing_on_vips, control, operator_commands, vip,
                                                vrrp_socket)

namespace {

// Only what a histogram measured has fractions; anywhere else they are not ours, and the library would cast
// them to whole numbers that do not hold them.
bool may_have_fractions(std::string_view key) {
  return key == "bounds" || key == "sum";
}
void refuse_stray_fractions(const nlohmann::json& json) {
  if (json.is_number_float()) throw std::invalid_argument("a fraction where there is none");
  if (!json.is_structured()) return;
  for (const auto& [key, value] : json.items()) {
    if (!may_have_fractions(key)) refuse_stray_fractions(value);
  }
}

}  // namespace

// Texts that came from outside (names of files) may be no UTF-8: they are kept readable.
std::string to_text(const Heritage& heritage) {
  return nlohmann::json(heritage).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::variant<Heritage, std::string> parse_heritage(std::string_view text) {
  try {
    const auto json = nlohmann::json::parse(text);
    // Of another form nothing is known but this: later ones may have fractions where they like.
    refuse_stray_fractions(json.at("version"));
    const int version = json.at("version").get<int>();
    if (version != kHeritageVersion) {
      return "the running version leaves its state in form " + std::to_string(version) +
             ", this one understands " + std::to_string(kHeritageVersion);
    }
    refuse_stray_fractions(json);
    return json.get<Heritage>();
  } catch (const std::exception& error) {
    return std::string("the state that the running version leaves cannot be read: ") + error.what();
  }
}

std::vector<int> descriptors_of(const Heritage& heritage) {
  std::vector<int> all;
  const auto add = [&](int fd) {
    if (fd >= 0) all.push_back(fd);
  };
  for (const auto& proxy : {heritage.predecessor, heritage.successor}) {
    if (!proxy) continue;
    for (const int fd : {proxy->pidfd, proxy->channel, proxy->vitals}) add(fd);
  }
  for (const ListenerSet::Lent& listeners : heritage.listeners)
    for (const int socket : listeners.sockets) add(socket);
  add(heritage.control.listener);
  for (const ControlServer::LentClient& client : heritage.control.clients) add(client.socket);
  for (const auto& fd :
       {heritage.handover.reply, heritage.operator_commands.pending_reply, heritage.vrrp_socket})
    add(fd.value_or(-1));
  return all;
}

}  // namespace vipward
