#include "lb/net/small_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <system_error>

#include "lb/net/fd.h"

namespace vipward {
namespace {

std::string error_text(const std::string& what) {
  return what + ": " + std::generic_category().message(errno);
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t size = write(fd, text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

}  // namespace

SmallFile read_small_file(const std::string& path) {
  // Neither a link nor a pipe may lead or hold us elsewhere.
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  struct stat status {};
  if (!fd && errno == ENOENT) return {};
  if (!fd || fstat(fd.get(), &status) != 0) return {.problem = error_text(path)};
  if (!S_ISREG(status.st_mode)) return {.problem = path + ": not a regular file"};
  SmallFile file{.text = std::string(kSmallFileBytes + 1, '\0')};
  std::size_t used = 0;
  while (used < file.text.size()) {
    const ssize_t size = read(fd.get(), file.text.data() + used, file.text.size() - used);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return {.problem = error_text(path)};
    if (size == 0) break;
    used += static_cast<std::size_t>(size);
  }
  if (used > kSmallFileBytes)
    return {.problem = path + ": larger than " + std::to_string(kSmallFileBytes) + " bytes"};
  file.text.resize(used);
  return file;
}

std::string replace_small_file(const std::string& path, const std::string& text) {
  if (text.empty()) {
    if (unlink(path.c_str()) == 0 || errno == ENOENT) return {};
    return error_text("cannot remove " + path);
  }
  const std::string next = path + ".new";
  unlink(next.c_str());  // of a life that ended in between
  Fd fd(open(next.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd || !write_all(fd.get(), text)) return error_text("cannot write " + next);
  fd.reset();
  if (rename(next.c_str(), path.c_str()) != 0) return error_text("cannot replace " + path);
  return {};
}

}  // namespace vipward
