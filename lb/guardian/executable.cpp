#include "lb/guardian/executable.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace vipward {
namespace {

constexpr int kLeastNumber = 10;

Fd open_program(const char* path) {
  const Fd file(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
  // A number that no child needs for something else.
  Fd placed(file ? fcntl(file.get(), F_DUPFD_CLOEXEC, kLeastNumber) : -1);
  if (!placed) throw std::system_error(errno, std::generic_category(), path);
  return placed;
}

std::string running_path() {
  std::array<char, 4096> path;
  const ssize_t size = readlink("/proc/self/exe", path.data(), path.size());
  if (size < 0) throw std::system_error(errno, std::generic_category(), "/proc/self/exe");
  return {path.data(), static_cast<std::size_t>(size)};
}

}  // namespace

Executable Executable::running(std::string path) {
  if (path.empty()) path = running_path();
  return {std::move(path), open_program("/proc/self/exe")};
}

Executable Executable::on_disk() const {
  return {path_, open_program(path_.c_str())};
}

bool Executable::is_same_file(const Executable& other) const {
  struct stat ours {};
  struct stat theirs {};
  return fstat(file_.get(), &ours) == 0 && fstat(other.file_.get(), &theirs) == 0 &&
         ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

void Executable::execute(char* const* arguments) const {
  execveat(file_.get(), "", arguments, environ, AT_EMPTY_PATH);
}

}  // namespace vipward
