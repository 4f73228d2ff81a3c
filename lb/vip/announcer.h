// Tells the neighbours where the VIPs are and sees who else claims them: an AnnouncePlan's frames on the
// wire, and what others say of a VIP: ARP frames that name it as their own address (RFC 5227, section 2.4)
// and neighbour advertisements for it. Owner: the driver of the VIP; the guardian's loop. Never blocks,
// throws nothing after it is made. What others say reaches this host's kernel too, and does no harm there: a
// VIP is set with NODAD, so that it is never tentative, and of any other address of its own Linux takes an
// advertisement for a mistake and logs it (ndisc_recv_na).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lb/event/time.h"
#include "lb/net/address.h"
#include "lb/net/link_table.h"
#include "lb/net/packet_socket.h"
#include "lb/vip/announce_plan.h"
#include "lb/vip/arp.h"
#include "lb/vip/ndisc.h"

namespace vipward {

// Somebody says that a VIP is his. On a backup that is how the active one looks.
struct ForeignClaim {
  IpAddress address;
  MacAddress mac{};
  std::optional<ArpOperation> operation;  // nullopt: by a neighbour advertisement, solicited or not
  bool operator==(const ForeignClaim&) const = default;
};

class Announcer {
 public:
  // `addresses`: the VIPs, at most 65. Needs CAP_NET_RAW. Start-up: throws std::system_error.
  Announcer(std::vector<IpAddress> addresses, Duration refresh);

  // ARP's, and that of neighbour discovery if there is an IPv6 address. The same for life; see
  // PacketSocket::fd.
  int fd() const { return arp_.fd(); }
  std::optional<int> ndisc_fd() const { return ndisc_ ? std::optional(ndisc_->fd()) : std::nullopt; }
  // Follows the interface of that name: call it again when something about it has changed, its MAC or
  // link-local address too. 0 or an errno.
  int attach(const LinkTable& table, const std::string& interface);

  // The VIPs are on: the rounds begin. Nothing is sent before send_due().
  void start(TimePoint now) { plan_.start(now, addresses_); }
  // Goes on where the other one stopped.
  void go_on(const AnnounceMemory& memory) { plan_.go_on(memory, addresses_); }
  AnnounceMemory memory() const { return plan_.memory(); }
  bool is_running() const { return plan_.is_running(); }
  // From the first round again: a competing episode is over, a restored address, a foreign claim, carrier up.
  void restart(TimePoint now) { plan_.restart(now); }
  // The VIPs are off.
  void stop() { plan_.stop(); }
  // Sends what is due, at most kFramesPerBurst frames. Asks whether the interface forwards IPv6, in the
  // network namespace of the calling thread.
  void send_due(TimePoint now);
  // When send_due() wants to be called.
  std::optional<TimePoint> next_deadline() const { return plan_.next_deadline(); }

  // The claims that wait, each once, by others than the interfaces of `own`. Reads a bounded share: what is
  // left leaves a descriptor readable.
  std::vector<ForeignClaim> drain(const LinkTable& own);

  // Frames sent so far, by AnnouncementKind.
  const std::array<std::uint64_t, kAnnouncementKinds.size()>& sent() const { return sent_; }
  // Frames that the kernel refused so far, and why the last time (an errno).
  std::uint64_t failed() const { return failed_; }
  int last_error() const { return last_error_; }

 private:
  int send(const Announcement& announcement);

  std::vector<IpAddress> addresses_;
  PacketSocket arp_;
  std::optional<PacketSocket> ndisc_;
  std::string interface_;
  MacAddress mac_{};
  std::optional<IpAddress>
      asker_;  // what probes for IPv6 addresses are sent from: no VIP, link-local if possible
  AnnouncePlan plan_;
  std::array<std::uint64_t, kAnnouncementKinds.size()> sent_{};
  std::uint64_t failed_ = 0;
  int last_error_ = 0;
};

}  // namespace vipward
