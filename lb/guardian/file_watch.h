// The files that the checks read: opened for the proxy, which has no right to, and opened anew when they
// change: certificates are renewed and tokens rotated without a restart. Never looks inside. Owner: the
// guardian; its loop's thread; local files, looked at in place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "lb/channel/messages.h"

namespace vipward {

class FileWatch {
 public:
  explicit FileWatch(std::vector<ServiceConfig> services);

  // All files of one service. `problem` is a line that names key and file, or empty; with one `files` are
  // those that were good last, none if there never were any.
  struct Opened {
    std::uint32_t service = 0;
    std::vector<channel::NamedFd> files;
    std::string problem{};
  };
  // Of every service that has files, for a proxy that starts. What is found in the way is not found again by
  // look() until it changes.
  std::vector<Opened> open_all();
  // Since open_all() and the last look; to be called once a second. Services with nothing new are left out.
  // Of these `files` is empty when there is a `problem`: what cannot be opened is tried again at every look,
  // but said once.
  std::vector<Opened> look();

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
  struct Watched {
    std::optional<std::vector<Stamp>>
        stamps;                          // of what was opened last; absent: try again, whatever they are
    std::string problem;                 // said already
    std::vector<channel::NamedFd> good;  // opened last
  };

  static Stamp stamp_of(const std::string& path);
  std::vector<Stamp> stamps_of(const ServiceConfig& service) const;
  // Opens all files of the service into `good`, or returns what is wrong.
  std::string open_service(const ServiceConfig& service, Watched& watched) const;

  std::vector<ServiceConfig> services_;
  std::vector<Watched> watched_;  // by service
};

}  // namespace vipward
