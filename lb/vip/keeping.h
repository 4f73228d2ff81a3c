// Whether this host is able to keep the addresses, as the kernel lets it: has an AddressKeeper do what the
// VirtualRouter decides, says in the log what went wrong, and makes this host no candidate for a while when
// an address cannot be set or stays away. Owner: the VirtualRouter; the guardian's loop.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lb/event/time.h"
#include "lb/log/log.h"
#include "lb/vip/address_keeper.h"

namespace vipward {

struct KeepingMemory {
  KeeperMemory addresses;
  std::string problem;
  std::optional<TimePoint> retry_at;
  Duration pause{};
  std::optional<TimePoint> incomplete_since;
};

class Keeping {
 public:
  // `log` and `links` outlive it.
  Keeping(Log& log, AddressKeeperSettings settings, LinkWatch& links);

  // At a start: removes what an earlier life left behind. True: that life was the holder.
  bool remove_left_overs();
  // Instead: goes on where the other one stopped; see AddressKeeper::go_on for the addresses.
  void go_on(TimePoint now, const KeepingMemory& memory);
  KeepingMemory memory() const;
  std::vector<IpAddress> surplus() const { return keeper_.surplus(); }
  void drop_surplus(TimePoint now);

  // All addresses on. What is wrong, or nothing; if something is, they are off again, and so is candidacy.
  std::optional<std::string> take(TimePoint now);
  // All addresses off. False: the kernel has not removed one yet; that is tried again.
  bool give_up(TimePoint now);
  // While they are held: renews them and puts back what has gone. True: one is new there, announce it.
  bool keep(TimePoint now);
  void renew_now(TimePoint now) { keeper_.renew_now(now); }
  // Ends a pause whose time has come.
  void expire(TimePoint now);

  // Why this host is no candidate for now; nullptr: it may be one.
  const std::string* fault() const { return retry_at_ ? &problem_ : nullptr; }
  // When keep() and expire() want to be called.
  std::optional<TimePoint> next_deadline() const;
  std::uint64_t restored() const { return keeper_.restored(); }
  const std::optional<std::string>& state_file_problem() const { return keeper_.state_file_problem(); }

 private:
  void refuse(TimePoint now, const std::string& problem);

  Log& log_;
  AddressKeeper keeper_;
  std::string problem_;                        // the kernel refused an address
  std::optional<TimePoint> retry_at_;          // no candidate until then
  Duration pause_{};                           // before the next attempt to set an address that was refused
  std::optional<TimePoint> incomplete_since_;  // an address that is held is not there
};

}  // namespace vipward
