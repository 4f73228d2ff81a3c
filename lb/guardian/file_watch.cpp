#include "lb/guardian/file_watch.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "config/check_files.h"

namespace vipward {
namespace {

static_assert(kCheckFiles == channel::kCheckFileKinds);

std::int64_t nanoseconds(const timespec& time) {
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

// An error text in `problem` if it is no file to be read. O_NONBLOCK: a FIFO must not hold the loop.
Fd open_file(const std::string& path, std::string& problem) {
  const auto fail = [&](const std::string& why) {
    problem = path + ": " + why;
    return Fd();
  };
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return fail(std::generic_category().message(errno));
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) return fail(std::generic_category().message(errno));
  if (!S_ISREG(status.st_mode)) return fail("not a regular file");
  if (static_cast<std::size_t>(status.st_size) > kLongestCheckFile) return fail("larger than 1 MiB");
  return fd;
}

// Of descriptors that are kept here.
std::vector<channel::NamedFd> copies_of(const std::vector<channel::NamedFd>& files) {
  std::vector<channel::NamedFd> copies;
  for (const channel::NamedFd& file : files) {
    copies.push_back({.kind = file.kind, .file = Fd(fcntl(file.file.get(), F_DUPFD_CLOEXEC, 0))});
  }
  return copies;
}

bool has_files(const ServiceConfig& service) {
  for (const CheckFile& file : check_files_of(service)) {
    if (file.path) return true;
  }
  return false;
}

}  // namespace

FileWatch::FileWatch(std::vector<ServiceConfig> services)
    : services_(std::move(services)), watched_(services_.size()) {}

std::vector<FileWatch::Opened> FileWatch::open_all() {
  std::vector<Opened> result;
  for (std::size_t i = 0; i < services_.size(); ++i) {
    if (!has_files(services_[i])) continue;
    Watched& watched = watched_[i];
    watched.problem = open_service(services_[i], watched);
    result.push_back({.service = static_cast<std::uint32_t>(i),
                      .files = copies_of(watched.good),
                      .problem = watched.problem});
  }
  return result;
}

std::vector<FileWatch::Opened> FileWatch::look() {
  std::vector<Opened> result;
  for (std::size_t i = 0; i < services_.size(); ++i) {
    Watched& watched = watched_[i];
    if (!has_files(services_[i]) || watched.stamps == stamps_of(services_[i])) continue;
    const std::string before = std::exchange(watched.problem, open_service(services_[i], watched));
    if (!watched.problem.empty() && watched.problem == before) continue;
    Opened opened{.service = static_cast<std::uint32_t>(i), .files = {}, .problem = watched.problem};
    if (opened.problem.empty()) opened.files = copies_of(watched.good);
    result.push_back(std::move(opened));
  }
  return result;
}

FileWatch::Stamp FileWatch::stamp_of(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return {};
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .size = status.st_size,
          .modified_ns = nanoseconds(status.st_mtim),
          .changed_ns = nanoseconds(status.st_ctim)};
}

std::vector<FileWatch::Stamp> FileWatch::stamps_of(const ServiceConfig& service) const {
  std::vector<Stamp> stamps;
  for (const CheckFile& file : check_files_of(service)) {
    if (file.path) stamps.push_back(stamp_of(*file.path));
  }
  return stamps;
}

// Stamps are taken before the opening: a change in between is seen as one the next time.
std::string FileWatch::open_service(const ServiceConfig& service, Watched& watched) const {
  std::vector<Stamp> stamps = stamps_of(service);
  watched.stamps.reset();
  std::vector<channel::NamedFd> files;
  const auto named = check_files_of(service);
  for (std::size_t kind = 0; kind < named.size(); ++kind) {
    if (!named[kind].path) continue;
    std::string problem;
    Fd file = open_file(*named[kind].path, problem);
    if (!problem.empty()) return service.name + "." + std::string(named[kind].key) + ": " + problem;
    files.push_back({.kind = static_cast<channel::CheckFileKind>(kind), .file = std::move(file)});
  }
  watched.stamps = std::move(stamps);
  watched.good = std::move(files);
  return {};
}

}  // namespace vipward
