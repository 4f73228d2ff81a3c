#include "tests/support/temp_dir.h"

#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>

#include "tests/support/process.h"

namespace vipward::test {
namespace {

constexpr std::string_view kPrefix = "vipward-test-";

// "vipward-test-PID-XXXXXX" of a process that is gone.
bool is_left_over(const std::string& name) {
  if (!name.starts_with(kPrefix)) return false;
  const int pid = std::atoi(name.c_str() + kPrefix.size());
  return pid > 0 && is_process_gone(pid);
}

void remove_left_overs(const std::filesystem::path& parent) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(parent, ignored)) {
    if (is_left_over(entry.path().filename())) std::filesystem::remove_all(entry.path(), ignored);
  }
}

}  // namespace

std::string replaced(std::string text, const std::string& part, const std::string& by) {
  const auto at = text.find(part);
  if (at == std::string::npos) throw std::runtime_error("not in the text: " + part);
  return text.replace(at, part.size(), by);
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::filesystem::path& path, std::string_view content) {
  const std::filesystem::path fresh = path.string() + ".new";
  std::ofstream file(fresh, std::ios::binary);
  file << content;
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path.string());
  std::filesystem::rename(fresh, path);
}

TempDir::TempDir() {
  const std::filesystem::path parent = std::filesystem::temp_directory_path();
  remove_left_overs(parent);
  std::string name = parent / (std::string(kPrefix) + std::to_string(getpid()) + "-XXXXXX");
  if (mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::generic_category(), name);
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::file(std::string_view name, std::string_view content) const {
  write_file(path_ / name, content);
  return file(name);
}

}  // namespace vipward::test
