// A small file of our own that a later start reads, on a tmpfs (/run): reading and writing it blocks nobody.
// Any thread; nothing throws.
#pragma once

#include <cstddef>
#include <string>

namespace vipward {

inline constexpr std::size_t kSmallFileBytes = std::size_t{64} * 1024;

struct SmallFile {
  std::string text{};
  std::string problem{};  // "PATH: Permission denied"; there is no text then
};
// No text and no problem if there is none. What is not a regular file, or larger than kSmallFileBytes, is a
// problem.
SmallFile read_small_file(const std::string& path);

// In one step (rename(2)): whoever reads it finds the old text or the new one. Without a text the file is
// removed. Returns what is wrong, or nothing.
std::string replace_small_file(const std::string& path, const std::string& text);

}  // namespace vipward
