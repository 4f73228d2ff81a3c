#include "lb/channel/codec.h"

#include <utility>

#include "lb/channel/wire.h"

namespace vipward::channel {
namespace {

// The first bytes of a packet; then the kind of the message: its place in the variant.
constexpr wire::Prologue kPrologue{.magic = 0xB7, .version = 2};

constexpr std::size_t kLongestPath = 4096;
constexpr std::size_t kLongestName = 64;
constexpr std::size_t kMostNames = 65;  // the addresses of a VIP section, and a link-local one
// The limits of the configuration: services, and entries of a service's `listen` times addresses of the VIP.
constexpr std::uint32_t kMostServices = 256;
constexpr std::uint32_t kMostServiceAddresses = 64 * 64;
constexpr std::size_t kMostAdminListeners = 64;
constexpr std::int64_t kLastUnixMs = 253'402'300'799'999;  // the end of the year 9999

// More backends of one configuration than anybody drains or removes at a time.
constexpr std::size_t kMostMarkedBackends = 255;
constexpr std::uint32_t kMostBackends = 256;

}  // namespace

using wire::Ref;

template <class A>
void describe(A& a, Ref<A, DepartingBackend> m) {
  a.text(m.service, kLongestName);
  a.text(m.backend, kLongestName);
  a.text(m.address, kLongestName);
  a.number(m.leaves_at_ns);
}

template <class A>
void describe(A& a, Ref<A, Setup> m) {
  a.number(m.generation);
  a.text(m.config_name, kLongestPath);
  a.descriptor(m.config_text);
  a.descriptor(m.vitals);
  a.list(m.departing, kMostMarkedBackends, [&](Ref<A, DepartingBackend> backend) { describe(a, backend); });
}

template <class A>
void describe(A& a, Ref<A, ServiceListeners> m) {
  a.number(m.service, 0U, kMostServices - 1);
  a.number(m.address, 0U, kMostServiceAddresses - 1);
  a.descriptors(m.sockets, kListenersPerAddress, kListenersPerAddress);
}

template <class A>
void describe(A& a, Ref<A, AdminListeners> m) {
  a.descriptors(m.sockets, 0, kMostAdminListeners);
}

template <class A>
void describe(A& a, Ref<A, CheckFiles> m) {
  a.number(m.service, 0U, kMostServices - 1);
  a.refuse_unless(m.files.size() <= kCheckFileKinds);
  a.list(m.files, kCheckFileKinds, [&](Ref<A, NamedFd> named) {
    a.choice(named.kind, kCheckFileKinds);
    a.descriptor(named.file);
  });
  for (std::size_t i = 0; i < m.files.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) a.refuse_unless(m.files[i].kind != m.files[j].kind);
}

template <class A>
void describe_counts(A& a, Ref<A, VipStatus> m) {
  for (auto& count : m.transitions) a.number(count);
  a.number(m.advertisements_sent);
  a.number(m.advertisements_received);
  a.list(m.rejected, kMostNames, [&](Ref<A, NamedCount> rejected) {
    a.text(rejected.name, kLongestName);
    a.number(rejected.count);
  });
  a.number(m.restored);
  a.number(m.conflicts);
  a.number(m.garp_requests);
  a.number(m.garp_replies);
}

template <class A>
void describe(A& a, Ref<A, VipStatus> m) {
  a.number(m.virtual_router_id);
  a.number(m.priority);
  a.choice(m.state, kVipStates.size());
  a.list(m.addresses, kMostNames, [&](Ref<A, std::string> address) { a.text(address, kLongestName); });
  a.text(m.interface, kLongestName);
  a.number(m.since_unix_ms, std::int64_t{0}, kLastUnixMs);
  a.text(m.reason, kLongestText);
  a.number(m.last_transition_unix_ms, std::int64_t{0}, kLastUnixMs);
  a.text(m.peer, kLongestName);
  a.number(m.peer_heard_unix_ms, std::int64_t{0}, kLastUnixMs);
  a.flag(m.contested);
  a.text(m.warning, kLongestText);
  describe_counts(a, m);
}

template <class A>
void describe(A& a, Ref<A, GuardianStatus> m) {
  a.number(m.proxy_restarts);
  wire::describe_histogram(a, m.loop_lag);
  a.maybe(m.vip, [&](Ref<A, VipStatus> vip) { describe(a, vip); });
  a.number(m.config_loaded_unix_ms, std::int64_t{0}, kLastUnixMs);
  a.flag(m.last_reload_successful);
  // Version 2 began without it. A binary that does not know it refuses IPv6 VIPs, so that during an upgrade
  // from there it is zero.
  if (m.vip) a.later(m.vip->unsolicited_nas);
}

template <class A>
void describe(A& a, Ref<A, Drains> m) {
  a.list(m.backends, kMostMarkedBackends, [&](Ref<A, DrainedBackend> drained) {
    a.number(drained.service, 0U, kMostServices - 1);
    a.number(drained.backend, 0U, kMostBackends - 1);
    a.number(drained.since_unix_ms, std::int64_t{0}, kLastUnixMs);
    a.number(drained.deadline_unix_ms, std::int64_t{0}, kLastUnixMs);
  });
}

template <class A>
void describe(A& a, Ref<A, TakeOver> m) {
  a.descriptor(m.socket);
}

template <class A>
void describe(A& a, Ref<A, HandOver> m) {
  a.descriptor(m.socket);
}

template <class A>
void describe(A& a, Ref<A, HttpConnection> m) {
  a.descriptor(m.socket);
}

template <class A>
void describe(A& a, Ref<A, Stop> m) {
  a.text(m.reason, kLongestText);
}

template <class A>
void describe(A& a, Ref<A, Failed> m) {
  a.list(m.problems, kMostProblems, [&](Ref<A, std::string> problem) { a.text(problem, kLongestText); });
}

template <class A>
void describe(A& a, Ref<A, SessionsReset> m) {
  a.number(m.count);
}

template <class A>
void describe(A& a, Ref<A, Backends> m) {
  a.flag(m.every_service_has_living);
}

template <class A>
void describe(A& a, Ref<A, Inherited> m) {
  a.number(m.sessions);
  a.number(m.longest_stall_us, std::int64_t{0}, std::int64_t{1} << 40);
}

template <class A>
void describe(A& a, Ref<A, HandedOver> m) {
  a.number(m.moved);
  a.number(m.left);
}

template <class A>
void describe(A& /*a*/, Ref<A, Serve> /*m*/) {}
template <class A>
void describe(A& a, Ref<A, Prepare> m) {
  a.flag(m.is_committed);
}
template <class A>
void describe(A& a, Ref<A, VipReleased> m) {
  a.list(m.unconfigured, kMostNames, [&](Ref<A, std::string> address) { a.text(address, kLongestName); });
}
template <class A>
void describe(A& /*a*/, Ref<A, Ready> /*m*/) {}
template <class A>
void describe(A& /*a*/, Ref<A, Prepared> /*m*/) {}

Packet encode(const ToProxy& message) {
  return wire::encode_any(kPrologue, message);
}

Packet encode(const ToGuardian& message) {
  return wire::encode_any(kPrologue, message);
}

std::size_t kind_of(std::span<const std::uint8_t> bytes) {
  constexpr std::size_t kKindAt = 2;
  return bytes.size() > kKindAt ? bytes[kKindAt] : std::variant_npos;
}

std::optional<ToProxy> decode_to_proxy(std::span<const std::uint8_t> bytes, std::vector<Fd> descriptors) {
  return wire::decode_variant<ToProxy>(kPrologue, bytes, descriptors);
}

std::optional<ToGuardian> decode_to_guardian(std::span<const std::uint8_t> bytes,
                                             std::vector<Fd> descriptors) {
  return wire::decode_variant<ToGuardian>(kPrologue, bytes, descriptors);
}

}  // namespace vipward::channel
