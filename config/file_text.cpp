#include "config/file_text.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <system_error>

#include "lb/net/fd.h"

namespace vipward::config {
namespace {

constexpr const char* kTooLarge = "the file is too large, at most 1 MiB is allowed";

FileText refusal(std::string why) {
  return {.text = std::nullopt, .error = std::move(why)};
}

FileText refusal_of_errno() {
  return refusal("cannot read the file: " + std::generic_category().message(errno));
}

std::string hex_of(unsigned char byte) {
  std::array<char, 5> text{};
  std::snprintf(text.data(), text.size(), "0x%02x", byte);
  return text.data();
}

// Length of the well-formed UTF-8 sequence at the start of `rest`, 0 if there is none (Unicode, table 3-7).
std::size_t utf8_sequence(std::string_view rest) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(rest[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return 1;
  std::size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
  }
  if (length == 0 || rest.size() < length || at(1) < low || at(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (at(i) < 0x80 || at(i) > 0xbf) return 0;
  }
  return length;
}

}  // namespace

FileText read_file_text(const std::string& path) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (fd.get() < 0) return refusal_of_errno();
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return refusal_of_errno();
  if (S_ISDIR(status.st_mode)) {
    errno = EISDIR;
    return refusal_of_errno();
  }
  if (!S_ISREG(status.st_mode)) return refusal("not a regular file");
  if (status.st_size > static_cast<off_t>(kLargestFile)) return refusal(kTooLarge);

  std::string text(kLargestFile + 1, '\0');
  std::size_t used = 0;
  while (used < text.size()) {
    const ssize_t got = ::read(fd.get(), text.data() + used, text.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return refusal_of_errno();
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
  }
  if (used > kLargestFile) return refusal(kTooLarge);
  text.resize(used);
  return {.text = std::move(text), .error = {}};
}

bool check_is_text(std::string_view text, Problems& problems) {
  if (text.size() > kLargestFile) {
    problems.add({}, "", kTooLarge);
    return false;
  }
  Position position;
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool control = (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f;
    const std::size_t length = utf8_sequence(text.substr(i));
    if (control || length == 0) {
      problems.add(position, "",
                   "the byte " + hex_of(byte) + " is " +
                       (control ? "a control character" : "not valid UTF-8") + ", a text file is expected");
      return false;
    }
    i += length;
    position.column += static_cast<int>(length);
    if (byte == '\n') position = {position.line + 1, 1};
  }
  return true;
}

std::string text_hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  std::array<char, 17> digits{};
  std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(hash));
  return digits.data();
}

}  // namespace vipward::config
