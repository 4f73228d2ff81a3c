// The files that the configuration names for checks, read whole and read again when they change: certificates
// are renewed and tokens rotated without a restart. Control loop; small local files, read in place.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "health/tls_material.h"
#include "lb/event/timer.h"
#include "lb/log/log.h"

namespace vipward {

class CheckFiles {
 public:
  // `apply` takes a service's new material and returns what is wrong with it, or an empty string.
  using Apply = std::function<std::string(std::size_t service, CheckMaterial material)>;
  CheckFiles(Loop& loop, Log& log, std::vector<ServiceConfig> services, Apply apply);

  // Reads and applies everything once. Returns what is wrong, one line per problem, naming key and file.
  std::vector<std::string> load();
  // From now on looks once a second. What cannot be read or used then is said once; the old material stays in
  // use.
  void watch();

 private:
  // What tells a changed file: a renamed new one has another inode, one written in place another time or
  // size, one whose rights were changed another ctime.
  struct Stamp {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t size = -1;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  struct Loaded {
    std::optional<std::vector<Stamp>> stamps;  // of what was read last; absent: look again, whatever they are
    std::string problem;                       // said already
  };

  static Stamp stamp_of(const std::string& path);
  // What is wrong with the service's files, or an empty string.
  std::string load_service(std::size_t service);
  void look();

  Log& log_;
  std::vector<ServiceConfig> services_;
  Apply apply_;
  std::vector<Loaded> loaded_;  // by service
  Timer timer_;
};

}  // namespace vipward
