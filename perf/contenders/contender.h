// Who is measured: vipward, HAProxy or nginx in front of the same backends, on loopback, with the same length
// of queue and no log of connections; and perf/floor.c, which is none of them but a mark. Starts on
// construction, ends with all its processes on destruction. One thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "lb/net/address.h"
#include "perf/contenders/process_family.h"

namespace vipward::perf {

struct ContenderSettings {
  unsigned workers = 1;  // or threads
  bool splices = false;  // HAProxy's splice-auto
  std::string binary;    // of vipward; empty: the one that was built together with this program
};

class Contender {
 public:
  virtual ~Contender() = default;
  virtual const char* name() const = 0;
  virtual const SocketAddress& address() const = 0;
  virtual pid_t pid() const = 0;  // of the process that stays
  // Returns when the new configuration serves. Throws if it does not come to that, or has no such thing.
  virtual void reload() = 0;
  // The same with the binary exchanged. False: this one cannot.
  virtual bool upgrade() { return false; }
  // Its log so far.
  virtual std::string log() const = 0;

  Footprint footprint() const { return footprint_of(pid()); }
  // That all its processes have had so far, user and system.
  std::chrono::nanoseconds cpu_time() const { return family_cpu_time(pid()); }
};

// `name`: vipward, haproxy, nginx or floor (one thread, whatever the settings say). Throws if it does not
// serve within ten seconds.
std::unique_ptr<Contender> make_contender(const std::string& name, const std::vector<SocketAddress>& backends,
                                          const ContenderSettings& settings = {});

// Whether somebody accepts there.
bool is_served(const SocketAddress& address);

}  // namespace vipward::perf
