// The backends that the operator has drained, by name, and what `drain` and `undrain` do to them. A name that
// the configuration does not have waits until it has it again. Pure; owner: Drains.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "lb/channel/messages.h"

namespace vipward {

struct DrainEntry {
  std::string service;
  std::string backend;
  std::int64_t since_unix_ms = 0;
  std::int64_t deadline_unix_ms = 0;  // 0: none
  bool operator==(const DrainEntry&) const = default;
};

class DrainList {
 public:
  using WallTime = std::chrono::system_clock::time_point;
  static constexpr std::size_t kMost = 255;  // what a proxy can be told

  // One line each: SERVICE/BACKEND SINCE DEADLINE, times in milliseconds since 1970, 0: no deadline. A line
  // that says nothing sensible, or something again, is skipped, and so is what is too much; an empty one says
  // nothing.
  struct Parsed;
  static Parsed parse(std::string_view text);
  std::string to_text() const;
  const std::vector<DrainEntry>& entries() const { return entries_; }

  // What an operator hears.
  struct Outcome {
    std::string text{};
    bool is_problem = false;            // nothing was done
    std::vector<DrainEntry> changed{};  // drained, or no longer drained
  };
  // `name`: [SERVICE/]BACKEND, without a service in all that have it. `limit` absent: no deadline. One that
  // is drained already gets this deadline, or none.
  Outcome drain(const Config& config, const std::string& name, std::optional<std::chrono::milliseconds> limit,
                WallTime now);
  // Also one that the configuration does not have now.
  Outcome undrain(const Config& config, const std::string& name);

  // For a proxy with this configuration.
  channel::Drains message(const Config& config) const;
  // Drained, but not in this configuration.
  std::vector<DrainEntry> unknown_in(const Config& config) const;

 private:
  struct Target;
  static std::vector<Target> targets_of(const Config& config, const std::string& name);
  const DrainEntry* find(const std::string& service, const std::string& backend) const;
  std::string refusal_of(const Target& target) const;
  DrainEntry put(const Target& target, std::optional<std::chrono::milliseconds> limit, WallTime now);

  std::vector<DrainEntry> entries_;
};

struct DrainList::Parsed {
  DrainList list{};
  std::vector<std::string> skipped{};  // lines
};

// What a reload to `next` makes of what is drained now. `refusals`: of each service that would be left
// without a backend for new clients, a sentence that says what to do. `changes`: of each drain that waits
// from now on, or that is no longer waiting, a line for people.
struct DrainsAcross {
  std::vector<std::string> refusals{};
  std::vector<std::string> changes{};
};
DrainsAcross drains_across(const Config& now, const channel::Drains& drained_now, const Config& next,
                           const channel::Drains& drained_next);

}  // namespace vipward
