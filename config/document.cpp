#include "config/document.h"

#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <sstream>

#include "config/tree_builder.h"

namespace vipward::config {
namespace {

std::string_view line_at(std::string_view text, int line) {
  for (; line > 0 && text.find('\n') != std::string_view::npos; --line)
    text.remove_prefix(text.find('\n') + 1);
  return text.substr(0, text.find('\n'));
}

void add_syntax_error(const YAML::Exception& error, std::string_view text, Problems& problems) {
  const bool known = !error.mark.is_null();
  std::string what = "not valid YAML: " + error.msg;
  // YAML takes [::]:6443 for a list.
  if (known && line_at(text, error.mark.line).find("]:") != std::string_view::npos) {
    what += " (an IPv6 address with a port needs quotes: \"[fd00::100]:6443\")";
  }
  problems.add(known ? Position{error.mark.line + 1, error.mark.column + 1} : Position{}, "", what);
}

}  // namespace

Document::Document(std::string_view text, Problems& problems) {
  TreeBuilder builder(nodes_, problems);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const DocumentError& error) {
    problems.add(error.position(), error.path(), error.what());
    return;
  } catch (const YAML::Exception& error) {
    add_syntax_error(error, text, problems);
    return;
  }
  if (builder.root() == nullptr || builder.root()->kind == NodeKind::Null) {
    problems.add({}, "", "the file is empty, at least services is required");
    return;
  }
  root_ = builder.root();
}

}  // namespace vipward::config
