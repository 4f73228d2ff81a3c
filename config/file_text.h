// The bytes of a configuration file before anyone parses them: read with a limit, and known to be text.
// Blocking, but never waiting: only regular files are read.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "config/problems.h"

namespace vipward::config {

constexpr std::size_t kLargestFile = 1024UL * 1024;

// The file's text, or why not: strerror's words, "not a regular file", too large.
struct FileText {
  std::optional<std::string> text;
  std::string error;  // set if there is no text
};
FileText read_file_text(const std::string& path);

// The limit again (text may come from elsewhere), UTF-8, and no control characters but tab and line ends.
// Returns false with the reason in `problems`.
bool check_is_text(std::string_view text, Problems& problems);

// FNV-1a, 64 bits, as 16 hex digits: names a configuration, protects nothing.
std::string text_hash(std::string_view text);

}  // namespace vipward::config
