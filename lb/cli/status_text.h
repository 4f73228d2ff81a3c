// The status for people, made from the JSON of /api/v1/status. Pure. The first line answers "is it fine?". No
// control character of the JSON gets through: what backends sent may be quoted in it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vipward {

struct StatusText {
  // Every backend of every service is ready and can be checked, and every service accepts; the VIP, if
  // there is one, is held by us or by a peer that we hear: nothing needs a look.
  bool fine = false;
  std::string text;
};

// Nothing if `json` is not the status of a daemon. Times are in UTC, with the date where it is not the
// daemon's today.
std::optional<StatusText> render_status_text(std::string_view json);

}  // namespace vipward
