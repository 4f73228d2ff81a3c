#include "lb/app/check_files.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "config/check_files.h"

namespace vipward {
namespace {

// Where the content goes, in the order of check_files_of().
constexpr std::array kContents{&CheckMaterial::ca_pem, &CheckMaterial::certificate_pem,
                               &CheckMaterial::key_pem, &CheckMaterial::bearer_token};
static_assert(kContents.size() == kCheckFiles && kCheckFiles == channel::kCheckFileKinds);

// The content from the start on, or why there is none in `problem`.
std::string read_file(int fd, std::string& problem) {
  std::string content;
  std::array<char, 4096> chunk;
  for (;;) {
    const ssize_t count = pread(fd, chunk.data(), chunk.size(), static_cast<off_t>(content.size()));
    if (count < 0) problem = std::generic_category().message(errno);
    if (count <= 0) break;
    content.append(chunk.data(), static_cast<std::size_t>(count));
    if (content.size() > kLongestCheckFile) problem = "larger than 1 MiB";
    if (!problem.empty()) break;
  }
  return content;
}

// " (FILE, FILE)": what to look at.
std::string paths_of(const ServiceConfig& service) {
  std::string text;
  for (const CheckFile& file : check_files_of(service)) {
    if (file.path) text += (text.empty() ? " (" : ", ") + *file.path;
  }
  return text.empty() ? text : text + ")";
}

void trim_end(std::string& text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
}

const channel::NamedFd* find(const channel::CheckFiles& message, std::size_t kind) {
  for (const channel::NamedFd& file : message.files) {
    if (static_cast<std::size_t>(file.kind) == kind) return &file;
  }
  return nullptr;
}

}  // namespace

CheckFiles::CheckFiles(Log& log, std::vector<ServiceConfig> services, Apply apply)
    : log_(log), services_(std::move(services)), apply_(std::move(apply)), problems_(services_.size()) {}

std::string CheckFiles::load(const channel::CheckFiles& message) {
  const ServiceConfig& service = services_[message.service];
  CheckMaterial material;
  const auto named = check_files_of(service);
  for (std::size_t kind = 0; kind < named.size(); ++kind) {
    if (!named[kind].path) continue;
    std::string problem;
    std::string& content = material.*kContents[kind];
    const channel::NamedFd* file = find(message, kind);
    content = file == nullptr ? std::string() : read_file(file->file.get(), problem);
    if (file == nullptr) problem = "was not opened for the proxy";
    if (kContents[kind] == &CheckMaterial::bearer_token) trim_end(content);
    if (problem.empty() && content.empty()) problem = "is empty";
    if (!problem.empty()) {
      return service.name + "." + std::string(named[kind].key) + ": " + *named[kind].path + ": " + problem;
    }
  }
  const std::string problem = apply_(message.service, std::move(material));
  return problem.empty() ? problem : service.name + ".health_check: " + problem + paths_of(service);
}

void CheckFiles::reload(const channel::CheckFiles& message) {
  std::string problem = load(message);
  if (problem.empty()) {
    log_.info("check files read again", {{"service", services_[message.service].name}});
  } else if (problem != problems_[message.service]) {
    log_.error("check files changed but cannot be used, the old ones stay in use", {{"problem", problem}});
  }
  problems_[message.service] = std::move(problem);
}

}  // namespace vipward
