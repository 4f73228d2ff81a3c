#include "config/reader.h"

#include <algorithm>

#include "config/nearest_key.h"
#include "config/values.h"

namespace vipward::config {
namespace {

std::string_view kind_name(NodeKind kind) {
  switch (kind) {
    case NodeKind::Null:
      return "empty";
    case NodeKind::Scalar:
      return "a single value";
    case NodeKind::Sequence:
      return "a list";
    case NodeKind::Mapping:
      return "a mapping";
  }
  return "";
}

std::string must_be(std::string_view wanted, NodeKind is) {
  if (is == NodeKind::Null) return "must not be empty";
  return "must be " + std::string(wanted) + ", not " + std::string(kind_name(is));
}

std::string allowed_text(const DurationRule& rule) {
  std::string text = "allowed: ";
  if (!rule.words.empty()) text += std::string(rule.words) + ", ";
  if (rule.or_zero) text += "0s, ";
  text += format_duration(rule.min) + " to " + format_duration(rule.max);
  if (rule.step > std::chrono::milliseconds{1}) text += " in steps of " + format_duration(rule.step);
  return text;
}

}  // namespace

std::optional<std::string> Value::text() const {
  if (!is_scalar()) {
    fail(must_be("a single value", node_->kind));
    return std::nullopt;
  }
  if (node_->text.empty()) {
    fail("must not be empty");
    return std::nullopt;
  }
  if (has_control_character(node_->text)) {
    fail(quoted(node_->text) + " contains control characters");
    return std::nullopt;
  }
  return node_->text;
}

std::optional<bool> Value::boolean() const {
  const auto value = text();
  if (!value) return std::nullopt;
  if (*value == "true" || *value == "True" || *value == "TRUE") return true;
  if (*value == "false" || *value == "False" || *value == "FALSE") return false;
  fail(quoted(*value) + " is unknown, allowed: true, false");
  return std::nullopt;
}

std::optional<std::int64_t> Value::whole_number(std::int64_t min, std::int64_t max) const {
  const auto value = text();
  if (!value) return std::nullopt;
  const std::string allowed = ", allowed: " + std::to_string(min) + " to " + std::to_string(max);
  const auto number = parse_whole_number(*value);
  if (!number) {
    fail(quoted(*value) + " is not a whole number" + allowed);
    return std::nullopt;
  }
  if (*number < min || *number > max) {
    fail(*value + " is out of range" + allowed);
    return std::nullopt;
  }
  return number;
}

std::optional<std::chrono::milliseconds> Value::duration(const DurationRule& rule) const {
  const auto value = text();
  if (!value) return std::nullopt;
  const auto duration = parse_duration(*value);
  if (!duration) {
    fail(quoted(*value) + " is not a duration such as 250ms, 10s, 5m or 1h, " + allowed_text(rule));
    return std::nullopt;
  }
  if (rule.or_zero && duration->count() == 0) return duration;
  if (*duration < rule.min || *duration > rule.max || *duration % rule.step != rule.step.zero()) {
    const bool step = *duration >= rule.min && *duration <= rule.max;
    fail(*value + (step ? " is not a multiple of " + format_duration(rule.step) : " is out of range") + ", " +
         allowed_text(rule));
    return std::nullopt;
  }
  return duration;
}

std::vector<Value> Value::items(const ListRule& rule) const {
  std::vector<Value> result;
  if (node_->kind != NodeKind::Sequence) {
    fail(must_be("a list", node_->kind));
    return result;
  }
  if (node_->items.empty() && !rule.if_empty.empty()) {
    fail("must not be empty, " + std::string(rule.if_empty));
  }
  if (node_->items.size() > rule.most) {
    fail(std::to_string(node_->items.size()) + " entries, allowed: at most " + std::to_string(rule.most));
    return result;
  }
  result.reserve(node_->items.size());
  for (std::size_t i = 0; i < node_->items.size(); ++i) {
    result.emplace_back(*node_->items[i], path_of_item(path_, i), *problems_);
  }
  return result;
}

std::vector<Value> Value::one_or_more(const ListRule& rule) const {
  if (node_->kind == NodeKind::Sequence) return items(rule);
  return {*this};
}

MappingReader::MappingReader(const Value& value) : position_(value.position()), problems_(value.problems_) {
  adopt(value);
}

MappingReader::MappingReader(MappingReader& parent, std::string_view key)
    : path_(parent.path_of(key)), position_(parent.position_), problems_(parent.problems_) {
  if (const auto value = parent.take(key)) {
    adopt(*value);
  } else {
    broken_ = parent.entry(key) != nullptr;
  }
}

MappingReader::~MappingReader() {
  if (node_ == nullptr) return;
  for (const Node::Entry& entry : node_->entries) {
    if (std::ranges::find(known_, entry.key) != known_.end()) continue;
    if (!ignored_prefix_.empty() && entry.key.starts_with(ignored_prefix_)) continue;
    problems_->add(entry.key_position, path_of(entry.key), unknown_key_text(entry.key, known_));
  }
}

void MappingReader::adopt(const Value& value) {
  path_ = value.path();
  position_ = value.position();
  if (value.is_mapping()) {
    node_ = value.node_;
  } else {
    broken_ = true;
    value.fail(must_be("a mapping", value.node_->kind));
  }
}

const Node::Entry* MappingReader::entry(std::string_view key) const {
  if (node_ == nullptr) return nullptr;
  const auto found = std::ranges::find(node_->entries, key, &Node::Entry::key);
  return found == node_->entries.end() ? nullptr : &*found;
}

std::optional<Value> MappingReader::take(std::string_view key) {
  const Node::Entry* const found = entry(key);
  if (found != nullptr && found->value->kind == NodeKind::Null) {
    problems_->add(found->value->position, path_of(key), "must not be empty");
  }
  return take_or_null(key);
}

std::optional<Value> MappingReader::take_or_null(std::string_view key) {
  known_.push_back(key);
  if (!has(key)) return std::nullopt;
  return Value(*entry(key)->value, path_of(key), *problems_);
}

std::optional<Value> MappingReader::require(std::string_view key, std::string_view what) {
  if (entry(key) == nullptr && !broken_) fail(key, what);
  return take(key);
}

bool MappingReader::has(std::string_view key) const {
  const Node::Entry* const found = entry(key);
  return found != nullptr && found->value->kind != NodeKind::Null;
}

void MappingReader::fail(std::string_view key, std::string_view what) const {
  const Node::Entry* const found = entry(key);
  problems_->add(found == nullptr ? position_ : found->value->position, path_of(key), what);
}

Position MappingReader::key_position(std::string_view key) const {
  const Node::Entry* const found = entry(key);
  return found == nullptr ? position_ : found->key_position;
}

Found MappingReader::text(std::string_view key, std::string& out) {
  const auto value = take(key);
  if (!value) return missing(key);
  auto text = value->text();
  if (!text) return Found::Bad;
  out = *std::move(text);
  return Found::Good;
}

Found MappingReader::text_or_null(std::string_view key, std::optional<std::string>& out) {
  const auto value = take_or_null(key);
  if (!value) return Found::Absent;
  auto text = value->text();
  if (!text) return Found::Bad;
  out = std::move(text);
  return Found::Good;
}

Found MappingReader::boolean(std::string_view key, bool& out) {
  const auto value = take(key);
  if (!value) return missing(key);
  const auto boolean = value->boolean();
  if (!boolean) return Found::Bad;
  out = *boolean;
  return Found::Good;
}

Found MappingReader::duration(std::string_view key, std::chrono::milliseconds& out,
                              const DurationRule& rule) {
  const auto value = take(key);
  if (!value) return missing(key);
  const auto duration = value->duration(rule);
  if (!duration) return Found::Bad;
  out = *duration;
  return Found::Good;
}

Found MappingReader::whole_seconds(std::string_view key, std::chrono::seconds& out, DurationRule rule) {
  rule.step = std::chrono::seconds{1};
  std::chrono::milliseconds duration{};
  const Found found = this->duration(key, duration, rule);
  if (found == Found::Good) out = std::chrono::duration_cast<std::chrono::seconds>(duration);
  return found;
}

}  // namespace vipward::config
