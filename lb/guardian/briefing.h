// What every generation of the proxy is told before it serves: the configuration's text, the listeners, the
// files of its checks. The guardian's own copies of the descriptors stay here. Owner: the GuardianApp; main
// thread.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "lb/guardian/file_watch.h"
#include "lb/guardian/listener_set.h"
#include "lb/guardian/proxy_process.h"

namespace vipward {

class Briefing {
 public:
  // Throws std::system_error.
  Briefing(std::string config_name, const std::string& config_text);

  // Backends that get no new sessions.
  struct Marked {
    const std::vector<channel::DepartingBackend>& departing;
    channel::Drains drains;
  };
  // Everything but the status and Serve or Prepare. `files` are handed over: a copy for each generation.
  // False: this process has no descriptor left for the copies, the proxy cannot serve.
  bool give(ProxyProcess& proxy, const ListenerSet& listeners, std::vector<FileWatch::Opened> files,
            Marked marked) const;

 private:
  std::string config_name_;
  Fd config_text_;  // sealed: the proxy can only read it
};

// Whether a copy of each file could be made.
bool is_whole(const FileWatch::Opened& files);
// A message of one service's files.
channel::CheckFiles message_of(FileWatch::Opened files);

}  // namespace vipward
