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
  if (content.empty()) return fail("is empty");
  return content;
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

std::vector<std::string> CheckFiles::load() {
  std::vector<std::string> problems;
  for (std::size_t i = 0; i < services_.size(); ++i) {
    if (std::string problem = load_service(i); !problem.empty()) problems.push_back(std::move(problem));
  }
  return problems;
}

void CheckFiles::watch() {
  timer_.arm_after(kLookEvery);
}

// Stamps are taken before the reading: a change in between is seen as one the next time.
std::string CheckFiles::load_service(std::size_t service) {
  const std::string& name = services_[service].name;
  std::vector<Stamp> stamps;
  CheckMaterial material;
  std::string problem;
  for (const NamedFile& file : files_of(services_[service])) {
    if (!file.path) continue;
    struct stat status {};
    Stamp stamp;
    if (stat(file.path->c_str(), &status) == 0) {
      stamp = {.device = status.st_dev,
               .inode = status.st_ino,
               .size = status.st_size,
               .modified_ns = status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
    }
    stamps.push_back(stamp);
  }
  if (stamps == loaded_[service].stamps) return loaded_[service].problem;
  for (const NamedFile& file : files_of(services_[service])) {
    if (!file.path || !problem.empty()) continue;
    material.*file.content = read_file(*file.path, problem);
    if (!problem.empty()) problem = name + "." + std::string(file.key) + ": " + problem;
  }
  trim_end(material.bearer_token);
  if (problem.empty()) {
    problem = apply_(service, std::move(material));
    if (!problem.empty()) problem = name + ".health_check: " + problem;
  }
  loaded_[service] = {.stamps = std::move(stamps), .problem = problem};
  return problem;
}

void CheckFiles::look() {
  for (std::size_t i = 0; i < services_.size(); ++i) {
    const std::vector<Stamp> before = loaded_[i].stamps;
    const std::string said = loaded_[i].problem;
    const std::string problem = load_service(i);
    if (loaded_[i].stamps == before) continue;
    if (problem.empty()) {
      log_.info("check files read again", {{"service", services_[i].name}});
    } else if (problem != said) {
      log_.error("check files changed but cannot be used, the old ones stay in use", {{"problem", problem}});
    }
  }
  watch();
}

}  // namespace vipward
