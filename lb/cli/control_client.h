// Asks the daemon over its control socket. Blocking, with one deadline for everything and a bound on the
// answer.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace vipward {

struct ControlReply {
  std::string body{};
  std::string error{};  // what went wrong and what to do; empty: `body` holds the answer
};

struct ControlLimits {
  std::chrono::milliseconds timeout{5000};
  std::size_t reply_bytes = 16 << 20;
};

// GET `path` from the HTTP server on the unix socket `socket_path`; anything but 200 is an error.
ControlReply ask_daemon(const std::string& socket_path, const std::string& path,
                        const ControlLimits& limits = {});

}  // namespace vipward
