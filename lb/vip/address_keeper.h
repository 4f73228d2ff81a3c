// Keeps the VIPs on the interface while they are held, and off it otherwise: /32 or /128 with a lifetime in
// the kernel that is renewed every quarter of it, so that they go by themselves when this process no longer
// runs. Owner: the driver of the VIP; the guardian's loop. Each address is one short request to the kernel.
// Nothing throws, nothing is logged: what went wrong is returned as a text.
//
// Order for the driver: LinkWatch::drain, its stall check, then repair() and renew(). None of them makes an
// address that add() has not claimed; after a stall call remove(), not repair().
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lb/event/time.h"
#include "lb/vip/link_watch.h"
#include "lb/vip/state_file.h"

namespace vipward {

struct AddressKeeperSettings {
  // Of both families in any order; the prefixes of the configuration play no part.
  std::vector<IpAddress> addresses;
  std::string interface;
  std::chrono::seconds lifetime{0};  // 0: permanent, never renewed
  std::string state_file;
};

// An address that is on an interface, or was when it was last seen.
struct HeldAddress {
  IpAddress address;
  unsigned interface = 0;  // the index of where it may be; 0: it is nowhere
  bool was_on = false;     // since it was wanted
  bool operator==(const HeldAddress&) const = default;
};

struct KeeperMemory {
  bool wanted = false;
  std::vector<HeldAddress> held;
};

// Somebody made one of `addresses` the host's own: it is there with another prefix than /32 or /128. Says
// where, and the command that removes it. A link-local one counts on `interface` only, or, where that is
// empty, on any.
std::optional<std::string> foreign_holding(const LinkTable& table, std::span<const IpAddress> addresses,
                                           std::string_view interface = {});

class AddressKeeper {
 public:
  // `links` must outlive this.
  AddressKeeper(AddressKeeperSettings settings, LinkWatch& links);
  AddressKeeper(const AddressKeeper&) = delete;
  AddressKeeper& operator=(const AddressKeeper&) = delete;

  // What an earlier life left behind: addresses of the state file, and own /32 or /128 ones on any interface,
  // link-local ones on this one. Removes them. Start-up, before anything else; `links` is current.
  struct LeftOvers {
    std::vector<RecordedAddress> removed;
    bool were_usable = false;  // a VIP that we had set was on the interface, which is up with carrier
    std::optional<std::string> problem;
  };
  LeftOvers remove_left_overs();

  // Instead: goes on with what another keeper, perhaps of another list, holds. Changes no address yet: what
  // is missing is for repair(), what is no longer in the list for drop_surplus(); the record has both.
  void go_on(TimePoint now, const KeeperMemory& memory);
  KeeperMemory memory() const;
  // What only the memory named and is not off yet.
  std::vector<IpAddress> surplus() const;
  // Takes it off. What is wrong, or nothing; what failed is tried again by renew().
  std::optional<std::string> drop_surplus(TimePoint now);

  // All addresses on. What is wrong, or nothing: then all are there. Those that failed are tried again by
  // repair(). An IPv6 one that is the host's own by then fails, see HostAddress: it is left as it is.
  std::optional<std::string> add(TimePoint now);
  // All addresses off, wherever they were put. What is wrong, or nothing. What failed is tried again by
  // renew().
  std::optional<std::string> remove(TimePoint now);
  // When due: renews what is held, removes what should have gone already. Cheap when not due.
  void renew(TimePoint now);
  // Renews what is held whether it is due or not.
  void renew_now(TimePoint now);
  // Puts back at once what is held and has gone from the interface, also after the interface was made anew,
  // or went down and took the IPv6 addresses along; that counts as restored too. True: an address is new
  // there, announce it. Asks the kernel only where the table lacks an address.
  bool repair();
  // When renew() wants to be called; it repairs nothing.
  std::optional<TimePoint> next_deadline() const {
    return due_ && surplus_due_ ? std::min(due_, surplus_due_) : (due_ ? due_ : surplus_due_);
  }

  bool is_holding() const { return wanted_; }
  // Every address is on the interface, as far as the table knows.
  bool is_complete() const;
  // Addresses put back so far.
  std::uint64_t restored() const { return restored_; }
  // Why the state file could not be written the last time, if so. Without it everything works; left-overs of
  // addresses that the configuration no longer names stay after a crash until their lifetime ends.
  const std::optional<std::string>& state_file_problem() const { return state_file_problem_; }

 private:
  int put(HeldAddress& slot, unsigned index, AddressRequest request);
  int take_off(HeldAddress& slot);
  bool is_of_the_host(unsigned index, const IpAddress& address) const;
  bool restore(HeldAddress& slot, unsigned index);
  std::optional<std::string> take_off_surplus(TimePoint now);
  std::string removal_failure(const HeldAddress& slot, int error) const;
  void record();

  AddressKeeperSettings settings_;
  Duration renewal_;  // from one to the next; 0: none
  LinkWatch& links_;
  StateFile file_;
  std::vector<HeldAddress> slots_;    // of settings_.addresses
  std::vector<HeldAddress> surplus_;  // of an earlier configuration, to be taken off
  bool wanted_ = false;
  std::optional<TimePoint> due_;
  std::optional<TimePoint> surplus_due_;
  std::uint64_t restored_ = 0;
  std::optional<std::string> state_file_problem_;
};

}  // namespace vipward
