// The sessions of a proxy as JSON, written piece by piece: one object each. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vipward {

// A session as its worker sees it.
struct SessionStatus {
  std::string_view service;  // of the configuration, which outlives this
  std::string client;
  std::string_view backend;  // empty: none is chosen yet
  std::string own;           // our port towards the backend; empty: none yet
  std::string_view phase;    // first_data | connecting | relaying
  double age_seconds = 0;
  double idle_seconds = 0;
  std::uint64_t bytes_to_backend = 0;
  std::uint64_t bytes_to_client = 0;
};

// Objects separated by commas, without brackets: what several workers say can be put one after the other.
std::string render_sessions(const std::vector<SessionStatus>& sessions);
// The whole document from such parts; empty ones are left out.
std::string join_sessions(const std::vector<std::string>& parts);

}  // namespace vipward
