// The side of a virtual router that hears: the VRRP socket, kept on the interface whatever becomes of that,
// and the reader of what comes in. Owner: the VirtualRouter; the guardian's loop. Never blocks.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "lb/event/time.h"
#include "lb/log/log.h"
#include "lb/net/fd.h"
#include "lb/vip/advertisement_reader.h"
#include "lb/vip/conflict_watch.h"
#include "lb/vip/vrrp_socket.h"

namespace vipward {

class VrrpEar {
 public:
  struct Settings {
    int family = 0;
    // By multicast nothing of a peer comes in without the group; by unicast that is for strangers alone, and
    // its absence no fault.
    bool needs_group = false;
    std::string interface;
    AdvertisementReader::Settings reading;
  };
  // Of an earlier image: the socket, and the index() of then.
  struct Inherited {
    Fd socket;
    unsigned index = 0;
  };
  // `log` and `foreign` outlive it. Start-up: throws std::system_error.
  VrrpEar(Log& log, ConflictWatch& foreign, Settings settings, std::optional<Inherited> inherited);

  // For life; see VrrpSocket.
  int fd() const { return socket_.fd(); }
  VrrpSocket& socket() { return socket_; }
  const AdvertisementReader& reader() const { return reader_; }
  void recall(std::optional<ExplainedPacket> last, std::optional<TimePoint> arrived_at) {
    reader_.recall(std::move(last), arrived_at);
  }
  // What it hears everything on; 0: not all that it should.
  unsigned index() const { return again_at_ ? 0 : socket_.interface(); }
  // Why peers cannot be heard; empty: they can.
  const std::string& fault() const { return fault_; }

  // What the interface's name means now, 0: nothing. `is_back`: its link has come up since the last call.
  void follow(TimePoint now, unsigned index, bool is_back);
  // All that waits, from peers and understood.
  void hear(TimePoint now, const AdvertisementReader::Own& own,
            const std::function<void(const HeardAdvertisement&)>& on_heard);
  void expire(TimePoint now) { reader_.expire(now); }
  // When expire(), or follow() because is_due(), wants to be called.
  std::optional<TimePoint> next_deadline() const;
  // What the kernel has refused is to be tried again.
  bool is_due(TimePoint now) const { return again_at_ && now >= *again_at_; }

 private:
  Log& log_;
  const std::string interface_;
  const bool needs_group_;
  AdvertisementReader reader_;
  VrrpSocket socket_;
  std::string fault_;
  std::optional<TimePoint> again_at_;
};

}  // namespace vipward
