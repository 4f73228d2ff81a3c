// A folder that goes with its owner, and whole files read and written in one call. Its name carries the pid
// of the test: what a killed run left behind is removed by the next one. Any thread.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace vipward::test {

// Throw on failure. The file is replaced in one step, as an administrator's tool would.
std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, std::string_view content);
// `text` with its first `part` replaced; throws if it has none.
std::string replaced(std::string text, const std::string& part, const std::string& by);

class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string file(std::string_view name) const { return path_ / name; }
  // Writes it and returns its path.
  std::string file(std::string_view name, std::string_view content) const;

 private:
  std::filesystem::path path_;
};

}  // namespace vipward::test
