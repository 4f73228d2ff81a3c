// What the guardian and the proxy tell each other, as plain values: one variant per direction, one message
// per packet (codec.h). A message owns the descriptors it carries. Guardian and proxy are one binary, so the
// format is not for ever; but the guardian trusts no byte of what the proxy says.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "lb/net/fd.h"
#include "lb/stats/counter.h"

namespace vipward::channel {

// Listening sockets on one address of a service, whatever the number of workers: worker i of W serves i, i+W
// ...
inline constexpr std::size_t kListenersPerAddress = 8;

// ---- guardian -> proxy

// The first message. The proxy parses the same text as the guardian did; `config_text` and `vitals` are
// memfds, the text is read from offset 0.
struct Setup {
  std::uint64_t generation = 0;
  std::string config_name;  // the file's, for messages
  Fd config_text;
  Fd vitals;
};

// `sockets`: kListenersPerAddress of them, on the address with this index in listen_addresses() of the
// service.
struct ServiceListeners {
  std::uint32_t service = 0;
  std::uint32_t address = 0;
  std::vector<Fd> sockets;
};

// One for each entry of admin.listen, in that order.
struct AdminListeners {
  std::vector<Fd> sockets;
};

enum class CheckFileKind : std::uint8_t { Ca, Certificate, Key, Token };
inline constexpr std::size_t kCheckFileKinds = 4;

struct NamedFd {
  CheckFileKind kind = CheckFileKind::Ca;
  Fd file;  // open for reading
};

// All files that the checks of a service read, each kind once at most. Sent before Serve, and again, all of
// them, when one has changed.
struct CheckFiles {
  std::uint32_t service = 0;
  std::vector<NamedFd> files;
};

// Everything has been sent: start.
struct Serve {};

enum class VipState : std::uint8_t { Init, Backup, Active, Fault };
inline constexpr std::array<std::string_view, 4> kVipStates{"init", "backup", "active", "fault"};
constexpr std::string_view to_string(VipState state) {
  return kVipStates[static_cast<std::size_t>(state)];
}

// A counter with the value of its label.
struct NamedCount {
  std::string name;
  std::uint64_t count = 0;
  bool operator==(const NamedCount&) const = default;
};

// Times are milliseconds since 1970; 0: never.
struct VipStatus {
  std::uint8_t virtual_router_id = 0;
  std::uint8_t priority = 0;
  VipState state = VipState::Init;
  std::vector<std::string> addresses;  // as configured: "10.0.0.100/24"
  std::string interface;
  std::int64_t since_unix_ms = 0;
  std::string reason;
  std::int64_t last_transition_unix_ms = 0;
  std::string peer;  // the address heard last; empty: none
  std::int64_t peer_heard_unix_ms = 0;
  bool contested = false;  // another active, or a foreign ARP claim, now
  std::string warning;     // empty, or one sentence

  std::array<std::uint64_t, kVipStates.size()> transitions{};  // by the state entered
  std::uint64_t advertisements_sent = 0;
  std::uint64_t advertisements_received = 0;
  std::vector<NamedCount> rejected;  // packets, by reason
  std::uint64_t restored = 0;
  std::uint64_t conflicts = 0;
  std::uint64_t garp_requests = 0;
  std::uint64_t garp_replies = 0;
  bool operator==(const VipStatus&) const = default;
};

// On every change, and at most once a second while counters move.
struct GuardianStatus {
  std::uint64_t proxy_restarts = 0;
  HistogramSnapshot loop_lag;
  std::optional<VipStatus> vip;  // absent: no `vip` section
};

// The addresses are off: reset every session whose client came by way of one, answer with SessionsReset.
struct VipReleased {};

// An accepted connection of the control socket, on which HTTP is spoken from now on.
struct HttpConnection {
  Fd socket;
};

// Reset everybody and exit 0.
struct Stop {
  std::string reason;  // "SIGTERM"
};

using ToProxy = std::variant<Setup, ServiceListeners, AdminListeners, CheckFiles, Serve, GuardianStatus,
                             VipReleased, HttpConnection, Stop>;

// ---- proxy -> guardian; none of them carries a descriptor

// Serving: listeners are watched, the admin pages answer.
struct Ready {};

// It cannot start; one line per problem. The proxy exits with 1 after it.
struct Failed {
  std::vector<std::string> problems;
};

// The answer to VipReleased.
struct SessionsReset {
  std::uint32_t count = 0;
};

// Once enough is known, and on every change.
struct Backends {
  bool every_service_has_living = false;
};

using ToGuardian = std::variant<Ready, Failed, SessionsReset, Backends>;

}  // namespace vipward::channel
