// Asks the daemon over its control socket. Blocking, with one deadline for everything and a bound on the
// answer.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace vipward {

struct ControlReply {
  std::string body{};
  std::string error{};  // what went wrong and what to do; empty: there is an answer
  // The daemon runs, but nothing serves: why. `body` is empty then.
  std::string down{};
};

struct ControlLimits {
  std::chrono::milliseconds timeout{5000};
  std::size_t reply_bytes = 16 << 20;
};

// GET `path` from the daemon at the unix socket `socket_path`; a 503 is its word that nothing serves,
// anything else but 200 is an error.
ControlReply ask_daemon(const std::string& socket_path, const std::string& path,
                        const ControlLimits& limits = {});

// A command of one line, without its end. The answer is "ok TEXT" or "error TEXT", which may have several
// lines.
ControlReply command_daemon(const std::string& socket_path, const std::string& line,
                            const ControlLimits& limits = {});

}  // namespace vipward
