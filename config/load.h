// Reads a configuration file and checks every key of it. All problems are found in one pass and said as
// `FILE:LINE:COLUMN: path: what is wrong, what is allowed`. Bounded: a huge, deep or exploding document is an
// error. Start-up and the `check` command; blocking file I/O, so never on a worker's loop.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace vipward {

struct LoadResult {
  std::optional<Config> config;     // present exactly if `errors` is empty
  std::vector<std::string> errors;  // in the order of the file
  std::string text{};               // what was read
};

LoadResult load_config_file(const std::string& path);
// The same from memory; `file` is the name used in the errors. Touches no file: paths named inside are not
// opened.
LoadResult parse_config(std::string_view text, const std::string& file);

}  // namespace vipward
