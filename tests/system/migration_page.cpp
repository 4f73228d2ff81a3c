#include "tests/system/migration_page.h"

#include <sstream>
#include <stdexcept>

#include "tests/support/temp_dir.h"

namespace vipward::test {
namespace {

constexpr std::string_view kHeading = "## From keepalived to vipward\n";
constexpr std::string_view kFence = "```";

std::string page_text() {
  const std::string readme = read_file("README.md");
  const auto begin = readme.find(kHeading);
  if (begin == std::string::npos) throw std::runtime_error("README.md has no page on keepalived");
  const auto end = readme.find("\n## ", begin + kHeading.size());
  return readme.substr(begin + kHeading.size(), end - begin - kHeading.size());
}

// "**2. The standby.** More words." begins a step.
bool begins_step(const std::string& line) {
  return line.size() > 4 && line.starts_with("**") && line[2] >= '1' && line[2] <= '9' && line[3] == '.';
}

void add_command(PageStep& step, const std::string& line) {
  if (!line.starts_with("# ")) {
    if (step.turns.empty()) throw std::runtime_error("for which host? " + line);
    step.turns.back().commands.push_back(line);
    return;
  }
  const std::string title = line.substr(2);
  step.turns.push_back({.host = title.substr(0, title.find(',')), .title = title, .commands = {}});
}

void add_line(PageStep& step, const std::string& language, const std::string& line) {
  if (language == "yaml") step.configuration += line + "\n";
  if (language == "sh") add_command(step, line);
}

}  // namespace

std::vector<PageStep> read_migration_page() {
  std::vector<PageStep> steps;
  std::istringstream lines(page_text());
  std::string language;
  bool in_fence = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(kFence)) {
      in_fence = !in_fence;
      language = in_fence ? line.substr(kFence.size()) : "";
      if (in_fence && language != "yaml" && language != "sh")
        throw std::runtime_error("what is to be done with \"" + language + "\"?");
    } else if (!in_fence && begins_step(line)) {
      steps.push_back({.title = line.substr(2, line.find("**", 2) - 2), .configuration = {}, .turns = {}});
    } else if (in_fence && !steps.empty() && !line.empty()) {
      add_line(steps.back(), language, line);
    }
  }
  if (in_fence || steps.empty())
    throw std::runtime_error("README's page on keepalived has no steps, or no end");
  return steps;
}

}  // namespace vipward::test
