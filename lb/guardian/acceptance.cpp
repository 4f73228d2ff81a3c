#include "lb/guardian/acceptance.h"

#include <cstdio>
#include <utility>
#include <variant>

#include "config/load.h"
#include "lb/guardian/reexecution.h"

namespace vipward {

int accept_succession(const std::string& config_path, int state) {
  std::vector<std::string> problems;
  const auto heritage = read_heritage(state);
  if (const auto* problem = std::get_if<std::string>(&heritage)) problems.push_back(*problem);
  const LoadResult loaded = load_config_file(config_path);
  problems.insert(problems.end(), loaded.errors.begin(), loaded.errors.end());
  for (const std::string& problem : problems) std::fprintf(stderr, "%s\n", problem.c_str());
  if (!problems.empty()) return 1;
  const bool said = std::fputs(kAcceptance, stdout) >= 0 &&
                    std::fwrite(loaded.text.data(), 1, loaded.text.size(), stdout) == loaded.text.size() &&
                    std::fflush(stdout) == 0;
  return said ? 0 : 1;
}

}  // namespace vipward
