// What is known of a backend; the table in the README says what follows from it. Pure values, any thread.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vipward {

// Position in the configuration: services[service].backends[backend].
struct BackendId {
  std::size_t service = 0;
  std::size_t backend = 0;
  auto operator<=>(const BackendId&) const = default;
};

enum class BackendState : std::uint8_t {
  Unknown,   // no result yet
  Ready,     // serves
  NotReady,  // alive, but says it must not get new work
  Dead,      // gives no answer
  Drained,   // taken out by the operator
};
inline constexpr std::array kBackendStates{BackendState::Unknown, BackendState::Ready, BackendState::NotReady,
                                           BackendState::Dead, BackendState::Drained};

// Why a dead backend counts as dead; decides what becomes of its sessions.
enum class DeadCause : std::uint8_t {
  None,     // not dead
  Refused,  // its kernel refuses or resets: nobody is there, running sessions are lost already
  Silent,   // timeouts: it may be the path, or a pause
};

// The label value and log word: "unknown", "ready", "not_ready", "dead", "drained".
constexpr std::string_view to_string(BackendState state) {
  constexpr std::array<std::string_view, 5> kNames{"unknown", "ready", "not_ready", "dead", "drained"};
  return kNames[static_cast<std::size_t>(state)];
}

}  // namespace vipward
