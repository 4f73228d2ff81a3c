// What /metrics said, to ask for values by name and labels. Plain value.
#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vipward::test {

class MetricsText {
 public:
  using Labels = std::initializer_list<std::pair<const char*, std::string_view>>;

  // Throws if a line is neither a comment nor a sample.
  explicit MetricsText(std::string_view text);

  // The sum of the samples that have these labels, whatever others they have; nothing if there is none.
  std::optional<double> value(std::string_view name, Labels labels = {}) const;
  // Of the samples; a histogram's end in _bucket, _sum and _count.
  const std::set<std::string>& names() const { return names_; }

 private:
  struct Sample {
    std::string name;
    std::map<std::string, std::string, std::less<>> labels;
    double value = 0;
  };

  void add(std::string_view line);

  std::vector<Sample> samples_;
  std::set<std::string> names_;
};

}  // namespace vipward::test
