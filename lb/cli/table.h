// Text in columns for a terminal. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vipward {

// Valid UTF-8 with every control character (also of C1, and those that turn the direction of text) replaced
// by '?'.
std::string printable(std::string_view utf8);

class Table {
 public:
  using Row = std::vector<std::string>;
  explicit Table(Row heading) : rows_{std::move(heading)} {}
  // As many cells as the heading has; an empty one is printed as "-".
  void add(Row row);
  // Every line indented by two, the last column unpadded.
  std::string to_string() const;

 private:
  std::vector<Row> rows_;
};

}  // namespace vipward
