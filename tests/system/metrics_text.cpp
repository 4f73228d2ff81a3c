#include "tests/system/metrics_text.h"

#include <algorithm>
#include <stdexcept>

namespace vipward::test {

MetricsText::MetricsText(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!line.empty() && line.front() != '#') add(line);
  }
}

void MetricsText::add(std::string_view line) {
  Sample sample;
  const auto name_end = line.find_first_of("{ ");
  const auto value_begin = line.rfind(' ');
  if (name_end == std::string_view::npos || name_end == 0) {
    throw std::runtime_error("not a metric: " + std::string(line));
  }
  sample.name = line.substr(0, name_end);
  sample.value = std::stod(std::string(line.substr(value_begin + 1)));
  if (line[name_end] == '{') {
    // No label here holds a quote or a comma.
    std::string_view labels = line.substr(name_end + 1, line.rfind('}') - name_end - 1);
    while (!labels.empty()) {
      const std::string_view pair = labels.substr(0, labels.find(','));
      const auto equals = pair.find("=\"");
      if (equals == std::string_view::npos) throw std::runtime_error("not a metric: " + std::string(line));
      sample.labels.emplace(pair.substr(0, equals), pair.substr(equals + 2, pair.size() - equals - 3));
      labels.remove_prefix(std::min(labels.size(), pair.size() + 1));
    }
  }
  names_.insert(sample.name);
  samples_.push_back(std::move(sample));
}

std::optional<double> MetricsText::value(std::string_view name, Labels labels) const {
  std::optional<double> sum;
  for (const Sample& sample : samples_) {
    const bool matches =
        sample.name == name && std::all_of(labels.begin(), labels.end(), [&](const auto& wanted) {
          const auto found = sample.labels.find(std::string_view(wanted.first));
          return found != sample.labels.end() && found->second == wanted.second;
        });
    if (matches) sum = sum.value_or(0) + sample.value;
  }
  return sum;
}

}  // namespace vipward::test
