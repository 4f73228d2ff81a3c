// `vipward drain` and `vipward undrain` as the guardian carries them out, and the file that keeps what they
// did: it outlives reloads, upgrades and restarts of vipward, and not a boot of the host. Owner: the
// GuardianApp; main thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "config/config.h"
#include "lb/channel/messages.h"
#include "lb/guardian/control_server.h"
#include "lb/guardian/drain_list.h"
#include "lb/log/log.h"

namespace vipward {

class Drains {
 public:
  // Reads the file at `path`; one that cannot be read counts as empty, and the log says so, also of lines
  // that are damaged. With the text() that the last image left it is not read: a reload must not undrain
  // anything because of a file. `config` is the one in effect. `on_change`: the proxy has to hear message()
  // again.
  Drains(Log& log, const Config& config, std::string path, const std::optional<std::string>& inherited,
         std::function<void()> on_change);

  // Nothing changes if the file cannot be written.
  void drain(const DrainRequest& request, CommandReply reply);
  void undrain(const UndrainRequest& request, CommandReply reply);

  // What the file says, or would.
  std::string text() const { return list_.to_text(); }
  channel::Drains message() const { return list_.message(config_); }
  // For a proxy of the next configuration.
  channel::Drains message(const Config& next) const { return list_.message(next); }

 private:
  void read_file();
  // False: nothing changed, and the operator has been told why.
  bool take(DrainList next, const DrainList::Outcome& outcome, CommandReply reply);

  Log& log_;
  const Config& config_;
  const std::string path_;
  std::function<void()> on_change_;
  DrainList list_;
};

}  // namespace vipward
