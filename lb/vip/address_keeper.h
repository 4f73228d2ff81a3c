// Keeps the VIPs on the interface while they are held, and off it otherwise: /32 with a lifetime in the
// kernel that is renewed every quarter of it, so that they go by themselves when this process no longer runs.
// Owner: the driver of the VIP; the guardian's loop. Each address is one short request to the kernel.
// Nothing throws, nothing is logged: what went wrong is returned as a text.
//
// Order for the driver: LinkWatch::drain, its stall check, then repair() and renew(). None of them makes an
// address that add() has not claimed; after a stall call remove(), not repair().
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lb/event/time.h"
#include "lb/vip/link_watch.h"
#include "lb/vip/state_file.h"

namespace vipward {

struct AddressKeeperSettings {
  std::vector<IpAddress> addresses;  // IPv4; the prefixes of the configuration play no part
  std::string interface;
  std::chrono::seconds lifetime{0};  // 0: permanent, never renewed
  std::string state_file;
};

class AddressKeeper {
 public:
  // `links` must outlive this.
  AddressKeeper(AddressKeeperSettings settings, LinkWatch& links);
  AddressKeeper(const AddressKeeper&) = delete;
  AddressKeeper& operator=(const AddressKeeper&) = delete;

  // What an earlier life left behind: addresses of the state file, and own /32 ones on any interface. Removes
  // them. Start-up, before anything else; `links` is current.
  struct LeftOvers {
    std::vector<RecordedAddress> removed;
    bool were_usable = false;  // a VIP that we had set was on the interface, which is up with carrier
    std::optional<std::string> problem;
  };
  LeftOvers remove_left_overs();
  // Somebody made a VIP the host's own address: it is there with another prefix than /32. Says where, and the
  // command that removes it.
  std::optional<std::string> foreign_holding() const;

  // All addresses on. What is wrong, or nothing: then all are there. Those that failed are tried again by
  // repair().
  std::optional<std::string> add(TimePoint now);
  // All addresses off, wherever they were put. What is wrong, or nothing. What failed is tried again by
  // renew().
  std::optional<std::string> remove(TimePoint now);
  // When due: renews what is held, removes what should have gone already. Cheap when not due.
  void renew(TimePoint now);
  // Puts back at once what is held and has gone from the interface, also after the interface was made anew.
  // True: an address is new there, announce it. Asks the kernel only where the table lacks an address.
  bool repair();
  // When renew() wants to be called; it repairs nothing.
  std::optional<TimePoint> next_deadline() const { return due_; }

  bool is_holding() const { return wanted_; }
  // Every address is on the interface, as far as the table knows.
  bool is_complete() const;
  // Addresses put back so far.
  std::uint64_t restored() const { return restored_; }
  // Why the state file could not be written the last time, if so. Without it everything works; left-overs of
  // addresses that the configuration no longer names stay after a crash until their lifetime ends.
  const std::optional<std::string>& state_file_problem() const { return state_file_problem_; }

 private:
  struct Slot {
    IpAddress address;
    unsigned interface = 0;  // the index of where it may be; 0: it is nowhere
    bool was_on = false;     // since add()
  };
  int put(Slot& slot, unsigned index, AddressRequest request);
  int take_off(Slot& slot);
  bool restore(Slot& slot, unsigned index);
  void record(bool held);

  AddressKeeperSettings settings_;
  Duration renewal_;  // from one to the next; 0: none
  LinkWatch& links_;
  StateFile file_;
  std::vector<Slot> slots_;
  bool wanted_ = false;
  std::optional<TimePoint> due_;
  std::uint64_t restored_ = 0;
  std::optional<std::string> state_file_problem_;
};

}  // namespace vipward
