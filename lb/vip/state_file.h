// The addresses that this instance holds, on disk: what a start after a crash has to remove. One line each,
// `ADDRESS INTERFACE`. Owner: AddressKeeper; the guardian's loop (the file belongs on a tmpfs, /run). Nothing
// throws.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lb/net/address.h"

namespace vipward {

struct RecordedAddress {
  IpAddress address;
  std::string interface;
  bool operator==(const RecordedAddress&) const = default;
};

// A line that says nothing sensible is skipped. At most 256 addresses.
std::vector<RecordedAddress> parse_recorded(std::string_view text);

class StateFile {
 public:
  explicit StateFile(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  // Nothing of a file that is not a regular one or has more than 64 KiB.
  std::vector<RecordedAddress> read() const;
  // Replaces the file in one step (rename(2)); removes it if there is nothing to say. What is wrong, or
  // nothing.
  std::optional<std::string> write(std::span<const RecordedAddress> addresses) const;

 private:
  std::string path_;
};

}  // namespace vipward
