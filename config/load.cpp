#include "config/load.h"

#include "config/document.h"
#include "config/file_text.h"
#include "config/reader.h"
#include "config/sections.h"
#include "config/validate.h"

namespace vipward {
namespace {

// A home for YAML anchors.
constexpr std::string_view kIgnoredPrefix = "x-";

void read_root(const config::Node& node, Config& result, config::Findings& findings) {
  const config::Value value(node, "", findings.errors);
  if (!value.is_mapping()) {
    value.fail("the file must be a mapping, at least services is required");
    return;
  }
  config::MappingReader root(value);
  root.ignore_prefix(kIgnoredPrefix);
  config::read_services(root, result.services, findings);
  config::read_vip(root, result.vip);
  config::read_process(root, result, findings);
  config::validate(result, findings);
}

}  // namespace

LoadResult load_config_file(const std::string& path) {
  const config::FileText file = config::read_file_text(path);
  if (!file.text) return {.config = std::nullopt, .errors = {path + ": " + file.error}};
  LoadResult result = parse_config(*file.text, path);
  result.text = *file.text;
  return result;
}

LoadResult parse_config(std::string_view text, const std::string& file) {
  config::Problems errors;
  Config result;
  if (config::check_is_text(text, errors)) {
    const config::Document document(text, errors);
    if (document.root() != nullptr) {
      config::Findings findings{.errors = errors, .listens = {}, .backends = {}};
      read_root(*document.root(), result, findings);
    }
  }
  LoadResult outcome{.config = std::nullopt, .errors = errors.lines(file)};
  if (outcome.errors.empty()) {
    result.hash = config::text_hash(text);
    outcome.config = std::move(result);
  }
  return outcome;
}

}  // namespace vipward
