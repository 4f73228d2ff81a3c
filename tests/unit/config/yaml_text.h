// Small configuration files for the tests of config/, and their errors as one text to compare.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"

namespace vipward::config_test {

inline std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "\n") + line;
  return text;
}

inline std::string errors_of(std::string_view yaml) {
  return joined(parse_config(yaml, "f").errors);
}

// Throws if the file has errors, which fails the test with what they say.
inline Config config_of(std::string_view yaml) {
  auto result = parse_config(yaml, "f");
  if (!result.config) throw std::runtime_error(joined(result.errors));
  return *std::move(result.config);
}

// A file with one service that needs nothing more; `keys` stand in line 5, column 5 and onwards.
inline std::string with_service_keys(const std::string& keys) {
  return "services:\n  - listen: 10.0.0.100:6443\n    backends: [10.0.0.11:6443]\n"
         "    health_check: {protocol: tcp}\n    " +
         keys + "\n";
}

// The same with `keys` as the health check's flow mapping: they begin in line 4, column 20.
inline std::string with_check_keys(const std::string& keys) {
  return "services:\n  - listen: 10.0.0.100:6443\n    backends: [10.0.0.11:6443]\n    health_check: {" +
         keys + "}\n";
}

// `top` goes before and after a good service: line 1 and onwards.
inline std::string with_top_keys(const std::string& top) {
  return top +
         "\nservices:\n  - listen: 10.0.0.100:6443\n    backends: [10.0.0.11:6443]\n"
         "    health_check: {protocol: tcp}\n";
}

struct Case {
  std::string yaml;
  std::string error;  // without "f:"
};

}  // namespace vipward::config_test
