// What is wrong with a configuration file, collected while it is read and said in the order of the file.
// Owned by the load; one thread.
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <vector>

namespace vipward::config {

// In the file, both from 1; the column counts bytes.
struct Position {
  int line = 1;
  int column = 1;
  auto operator<=>(const Position&) const = default;
};

class Problems {
 public:
  // `path` as in `services[0].connect.timeout`; empty for the document as a whole.
  void add(Position position, std::string_view path, std::string_view what);
  bool empty() const { return found_.empty(); }
  // `FILE:LINE:COLUMN: path: what`, sorted by position.
  std::vector<std::string> lines(const std::string& file) const;

 private:
  struct Problem {
    Position position;
    std::string text;
  };
  std::vector<Problem> found_;
};

// Text of the file for a message: in double quotes, shortened, and without anything that a terminal obeys.
std::string quoted(std::string_view text);
// `path.key` and `path[index]`; a key that is not plain is quoted.
std::string path_of_key(std::string_view path, std::string_view key);
std::string path_of_item(std::string_view path, std::size_t index);

}  // namespace vipward::config
