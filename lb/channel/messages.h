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

// A backend that an earlier configuration named and this one does not, while sessions may still run there: it
// gets no new ones, and those that are left at `leaves_at_ns` (of steady_clock, which is one clock for all
// processes) are closed at a pace. Names as in the earlier configuration; the service may be gone as well.
struct DepartingBackend {
  std::string service;
  std::string backend;
  std::string address;
  std::int64_t leaves_at_ns = 0;
};

// The first message. The proxy parses the same text as the guardian did; `config_text` and `vitals` are
// memfds, the text is read from offset 0.
struct Setup {
  std::uint64_t generation = 0;
  std::string config_name;  // the file's, for messages
  Fd config_text;
  Fd vitals;
  std::vector<DepartingBackend> departing{};  // at most 255
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

// Taken out by the operator. Positions in the configuration; times are milliseconds since 1970.
struct DrainedBackend {
  std::uint32_t service = 0;
  std::uint32_t backend = 0;
  std::int64_t since_unix_ms = 0;
  std::int64_t deadline_unix_ms = 0;  // its sessions are closed then, at a pace; 0: never
  bool operator==(const DrainedBackend&) const = default;
};

// All that are drained now: before Serve or Prepare, and after every change.
struct Drains {
  std::vector<DrainedBackend> backends;  // at most 255
};

// Everything has been sent: start.
struct Serve {};

// Everything has been sent, but a predecessor still serves: get ready, touch no listener, answer Prepared.
// TakeOver follows.
struct Prepare {
  // The configuration is in effect already, and this is one more proxy for it: files of the checks that are
  // no good then stop the checks, not the proxy.
  bool is_committed = false;
};

// To the prepared one: serve. The other end of `socket` is the predecessor's, who sends on it what is known
// of the backends, and its sessions (lb/handover). Answered with Ready, and with Inherited when it has ended.
// If the link breaks while both live, another TakeOver follows.
struct TakeOver {
  Fd socket;
};

// To the predecessor: accept nobody any more, and send every session over `socket` to the successor. Answered
// with HandedOver; with nothing left it exits 0. If the successor goes first, or the link breaks, what is
// left is served on, and another HandOver follows.
struct HandOver {
  Fd socket;
};

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
  bool contested = false;  // another active, or a foreign claim, now
  std::string warning;     // empty, or one sentence

  std::array<std::uint64_t, kVipStates.size()> transitions{};  // by the state entered
  std::uint64_t advertisements_sent = 0;
  std::uint64_t advertisements_received = 0;
  std::vector<NamedCount> rejected;  // packets, by reason
  std::uint64_t restored = 0;
  std::uint64_t conflicts = 0;
  std::uint64_t garp_requests = 0;
  std::uint64_t garp_replies = 0;
  std::uint64_t unsolicited_nas = 0;  // earlier versions do not have it: see codec.cpp
  bool operator==(const VipStatus&) const = default;
};

// On every change, and at most once a second while counters move.
struct GuardianStatus {
  std::uint64_t proxy_restarts = 0;
  HistogramSnapshot loop_lag;
  std::optional<VipStatus> vip;            // absent: no `vip` section
  std::int64_t config_loaded_unix_ms = 0;  // when the configuration that runs was put into effect
  bool last_reload_successful = true;      // also true if there was none yet
};

// The addresses are off: reset every session whose client came by way of one, answer with SessionsReset.
struct VipReleased {
  // Empty: all that are configured, until GuardianStatus says that they are held again. Else these, which are
  // no longer, for good.
  std::vector<std::string> unconfigured{};
};

// An accepted connection of the control socket, on which HTTP is spoken from now on.
struct HttpConnection {
  Fd socket;
};

// Reset everybody and exit 0.
struct Stop {
  std::string reason;  // "SIGTERM"
};

using ToProxy = std::variant<Setup, ServiceListeners, AdminListeners, CheckFiles, Serve, GuardianStatus,
                             VipReleased, HttpConnection, Stop, Drains, Prepare, TakeOver, HandOver>;

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

// The answer to Prepare.
struct Prepared {};

// The handover to this proxy has ended, because everything came or because the predecessor went.
struct Inherited {
  std::uint32_t sessions = 0;         // taken over
  std::int64_t longest_stall_us = 0;  // of one of them: from the predecessor's last byte to being served here
};

// The handover from this proxy has ended.
struct HandedOver {
  std::uint32_t moved = 0;
  std::uint32_t left = 0;  // still served by this proxy: the successor went, or could not take them
};

using ToGuardian = std::variant<Ready, Failed, SessionsReset, Backends, Prepared, Inherited, HandedOver>;

}  // namespace vipward::channel
