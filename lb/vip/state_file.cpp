#include "lb/vip/state_file.h"

#include <fcntl.h>
#include <net/if.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "lb/net/fd.h"

namespace vipward {
namespace {

constexpr std::size_t kMostBytes = 65536;
constexpr std::size_t kMostLines = 256;

std::string error_text(const std::string& what) {
  return what + ": " + std::generic_category().message(errno);
}

std::optional<RecordedAddress> parse_line(std::string_view line) {
  const auto space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto address = IpAddress::parse(line.substr(0, space));
  const std::string_view name = line.substr(space + 1);
  if (!address || address->is_unspecified()) return std::nullopt;
  if (name.empty() || name.size() >= IFNAMSIZ || name.find_first_of("/: \t\r") != std::string_view::npos) {
    return std::nullopt;
  }
  return RecordedAddress{*address, std::string(name)};
}

// Everything or, after an error or where it is too much, nothing.
std::string read_text(const std::string& path) {
  // Neither a link nor a pipe may lead or hold us elsewhere.
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  struct stat status {};
  if (!fd || fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  std::string text(kMostBytes + 1, '\0');
  std::size_t used = 0;
  while (used < text.size()) {
    const ssize_t size = ::read(fd.get(), text.data() + used, text.size() - used);
    if (size < 0) return {};
    if (size == 0) break;
    used += static_cast<std::size_t>(size);
  }
  text.resize(used);
  return used > kMostBytes ? std::string() : text;
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t size = ::write(fd, text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

}  // namespace

std::vector<RecordedAddress> parse_recorded(std::string_view text) {
  std::vector<RecordedAddress> found;
  while (!text.empty() && found.size() < kMostLines) {
    const auto end = text.find('\n');
    if (auto line = parse_line(text.substr(0, end))) found.push_back(std::move(*line));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return found;
}

std::vector<RecordedAddress> StateFile::read() const {
  return parse_recorded(read_text(path_));
}

std::optional<std::string> StateFile::write(std::span<const RecordedAddress> addresses) const {
  if (addresses.empty()) {
    if (unlink(path_.c_str()) == 0 || errno == ENOENT) return std::nullopt;
    return error_text("cannot remove " + path_);
  }
  std::string text;
  for (const RecordedAddress& one : addresses) text += one.address.to_string() + " " + one.interface + "\n";
  const std::string next = path_ + ".new";
  unlink(next.c_str());  // of a life that ended in between
  Fd fd(open(next.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd || !write_all(fd.get(), text)) return error_text("cannot write " + next);
  fd.reset();
  if (rename(next.c_str(), path_.c_str()) != 0) return error_text("cannot replace " + path_);
  return std::nullopt;
}

}  // namespace vipward
