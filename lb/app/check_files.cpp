#include "lb/app/check_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include "lb/net/fd.h"

namespace vipward {
namespace {

constexpr std::chrono::seconds kLookEvery{1};
constexpr std::size_t kMaxBytes = 1024 * 1024;

// A file that a service's checks need: its key in the configuration, its path, where its content goes.
struct NamedFile {
  std::string_view key;
  const std::optional<std::string>& path;
  std::string CheckMaterial::*content;
};

std::array<NamedFile, 4> files_of(const ServiceConfig& service) {
  const HealthCheckConfig& check = service.health_check;
  return {{{"health_check.tls.ca_file", check.tls.ca_file, &CheckMaterial::ca_pem},
           {"health_check.tls.certificate_file", check.tls.certificate_file, &CheckMaterial::certificate_pem},
           {"health_check.tls.key_file", check.tls.key_file, &CheckMaterial::key_pem},
           {"health_check.bearer_token_file", check.bearer_token_file, &CheckMaterial::bearer_token}}};
}

// The content, or an error text in `problem`. O_NONBLOCK: a FIFO must not hold the loop.
std::string read_file(const std::string& path, std::string& problem) {
  const auto fail = [&](const std::string& why) {
    problem = path + ": " + why;
    return std::string();
  };
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail(std::generic_category().message(errno));
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) return fail(std::generic_category().message(errno));
  if (!S_ISREG(status.st_mode)) return fail("not a regular file");
  std::string content;
  std::array<char, 4096> chunk;
  for (;;) {
    const ssize_t count = read(fd.get(), chunk.data(), chunk.size());
    if (count == 0) break;
    if (count < 0) return fail(std::generic_category().message(errno));
    content.append(chunk.data(), static_cast<std::size_t>(count));
    if (content.size() > kMaxBytes) return fail("larger than 1 MiB");
  }
  return content;
}

std::int64_t nanoseconds(const timespec& time) {
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

// " (FILE, FILE)": what to look at.
std::string paths_of(const ServiceConfig& service) {
  std::string text;
  for (const NamedFile& file : files_of(service)) {
    if (file.path) text += (text.empty() ? " (" : ", ") + *file.path;
  }
  return text.empty() ? text : text + ")";
}

void trim_end(std::string& text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
}

}  // namespace

CheckFiles::CheckFiles(Loop& loop, Log& log, std::vector<ServiceConfig> services, Apply apply)
    : log_(log),
      services_(std::move(services)),
      apply_(std::move(apply)),
      loaded_(services_.size()),
      timer_(loop, [this] { look(); }) {}

CheckFiles::Stamp CheckFiles::stamp_of(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return {};
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .size = status.st_size,
          .modified_ns = nanoseconds(status.st_mtim),
          .changed_ns = nanoseconds(status.st_ctim)};
}

std::vector<std::string> CheckFiles::load() {
  std::vector<std::string> problems;
  for (std::size_t i = 0; i < services_.size(); ++i) {
    loaded_[i].problem = load_service(i);
    if (!loaded_[i].problem.empty()) problems.push_back(loaded_[i].problem);
  }
  return problems;
}

void CheckFiles::watch() {
  timer_.arm_after(kLookEvery);
}

// Stamps are taken before the reading: a change in between is seen as one the next time. What could not be
// read is tried again at every look; what was read but cannot be used, when it changes.
std::string CheckFiles::load_service(std::size_t service) {
  const std::string& name = services_[service].name;
  Loaded& loaded = loaded_[service];
  std::vector<Stamp> stamps;
  for (const NamedFile& file : files_of(services_[service])) {
    if (file.path) stamps.push_back(stamp_of(*file.path));
  }
  if (loaded.stamps == stamps) return loaded.problem;
  loaded.stamps.reset();
  CheckMaterial material;
  for (const NamedFile& file : files_of(services_[service])) {
    if (!file.path) continue;
    std::string problem;
    std::string& content = material.*file.content;
    content = read_file(*file.path, problem);
    if (file.content == &CheckMaterial::bearer_token) trim_end(content);
    if (problem.empty() && content.empty()) problem = *file.path + ": is empty";
    if (!problem.empty()) return name + "." + std::string(file.key) + ": " + problem;
  }
  loaded.stamps = std::move(stamps);
  const std::string problem = apply_(service, std::move(material));
  return problem.empty() ? problem : name + ".health_check: " + problem + paths_of(services_[service]);
}

void CheckFiles::look() {
  for (std::size_t i = 0; i < services_.size(); ++i) {
    Loaded& loaded = loaded_[i];
    const auto before = loaded.stamps;
    const std::string problem = load_service(i);
    if (problem.empty() && loaded.stamps != before) {
      log_.info("check files read again", {{"service", services_[i].name}});
    } else if (!problem.empty() && problem != loaded.problem) {
      log_.error("check files changed but cannot be used, the old ones stay in use", {{"problem", problem}});
    }
    loaded.problem = problem;
  }
  watch();
}

}  // namespace vipward
