// What the files of the checks contain: read whole from descriptors that the guardian has opened, and handed
// to the checks; again when it sends new ones. Control loop; small local files, read in place.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "config/config.h"
#include "health/tls_material.h"
#include "lb/channel/messages.h"
#include "lb/log/log.h"

namespace vipward {

class CheckFiles {
 public:
  // `apply` takes a service's new material and returns what is wrong with it, or an empty string.
  using Apply = std::function<std::string(std::size_t service, CheckMaterial material)>;
  CheckFiles(Log& log, std::vector<ServiceConfig> services, Apply apply);

  // The files of one service, `message.service` being one. Returns what is wrong, naming key and file, or an
  // empty string; then nothing of it is in use.
  std::string load(const channel::CheckFiles& message);
  // The same while serving: the log says it, what is wrong once; the old material stays in use then.
  void reload(const channel::CheckFiles& message);

 private:
  Log& log_;
  std::vector<ServiceConfig> services_;
  Apply apply_;
  std::vector<std::string> problems_;  // by service: said already
};

}  // namespace vipward
