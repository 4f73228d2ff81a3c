// Typed access to the nodes of a Document that knows where it is: every error names the path and the
// position, and reading goes on with the default, so that one pass finds everything. Owned by the load; one
// thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/document.h"
#include "config/problems.h"

namespace vipward::config {

// What a duration may be; said in full by the error.
struct DurationRule {
  std::chrono::milliseconds min;
  std::chrono::milliseconds max;
  bool or_zero = false;               // 0s too, with a meaning of its own
  std::chrono::milliseconds step{1};  // only multiples of it
  std::string_view words = "";        // that the caller takes before: "off", "never, immediately"
};

// How long a list may be; lists that are compared with each other are kept short.
struct ListRule {
  std::string_view if_empty = {};  // what an empty list is told; nothing: it may be empty
  std::size_t most = kMostNodes;
};

// One value of any kind. Functions that return nullopt have said why.
class Value {
 public:
  Value(const Node& node, std::string path, Problems& problems)
      : node_(&node), path_(std::move(path)), problems_(&problems) {}

  const std::string& path() const { return path_; }
  Position position() const { return node_->position; }
  bool is_mapping() const { return node_->kind == NodeKind::Mapping; }
  bool is_list() const { return node_->kind == NodeKind::Sequence; }
  bool is_scalar() const { return node_->kind == NodeKind::Scalar; }
  bool is_null() const { return node_->kind == NodeKind::Null; }
  bool is_word(std::string_view word) const { return is_scalar() && node_->text == word; }
  void fail(std::string_view what) const { problems_->add(node_->position, path_, what); }

  // Not empty, no control characters.
  std::optional<std::string> text() const;
  std::optional<bool> boolean() const;
  std::optional<std::int64_t> whole_number(std::int64_t min, std::int64_t max) const;
  std::optional<std::chrono::milliseconds> duration(const DurationRule& rule) const;
  // Nothing, with an error, if it is not a list or not as long as it should be.
  std::vector<Value> items(const ListRule& rule = {}) const;
  // A single value stands for a list of one, and its path has no index.
  std::vector<Value> one_or_more(const ListRule& rule) const;

 private:
  friend class MappingReader;
  const Node* node_;  // never null
  std::string path_;
  Problems* problems_;
};

enum class Found : std::uint8_t { Absent, Good, Bad };

// One mapping. Asking for a key makes it a known one; keys that nobody asked for are errors when the reader
// goes.
class MappingReader {
 public:
  explicit MappingReader(const Value& value);
  // The mapping under `key`; if it is absent everything in it is, and errors point at `parent`.
  MappingReader(MappingReader& parent, std::string_view key);
  MappingReader(const MappingReader&) = delete;
  MappingReader& operator=(const MappingReader&) = delete;
  ~MappingReader();

  // An explicit null is an error with `take`, and the same as an absent key with `take_or_null`.
  std::optional<Value> take(std::string_view key);
  std::optional<Value> take_or_null(std::string_view key);
  // An absent key is an error that says `what`.
  std::optional<Value> require(std::string_view key, std::string_view what);
  // There, but not a mapping, which has been said: what it lacks is no further error.
  bool is_broken() const { return broken_; }
  // There, with whatever value.
  bool names(std::string_view key) const { return entry(key) != nullptr; }
  // Set, and not to null.
  bool has(std::string_view key) const;
  // The keys of the document whose first characters are these are nobody's business.
  void ignore_prefix(std::string_view prefix) { ignored_prefix_ = prefix; }

  // At the key's value, or at the mapping if the key is absent.
  void fail(std::string_view key, std::string_view what) const;
  Position key_position(std::string_view key) const;
  std::string path_of(std::string_view key) const { return path_of_key(path_, key); }
  const std::string& path() const { return path_; }
  Position position() const { return position_; }

  // Each leaves `out` as it is unless the key is there and good.
  Found text(std::string_view key, std::string& out);
  Found text_or_null(std::string_view key, std::optional<std::string>& out);
  Found boolean(std::string_view key, bool& out);
  Found duration(std::string_view key, std::chrono::milliseconds& out, const DurationRule& rule);
  Found whole_seconds(std::string_view key, std::chrono::seconds& out, DurationRule rule);
  template <class Number>
  Found whole_number(std::string_view key, Number& out, std::int64_t min, std::int64_t max) {
    const auto value = take(key);
    if (!value) return missing(key);
    const auto number = value->whole_number(min, max);
    if (!number) return Found::Bad;
    out = static_cast<Number>(*number);
    return Found::Good;
  }
  template <class Choice>
  Found choice(std::string_view key, Choice& out,
               std::initializer_list<std::pair<std::string_view, Choice>> choices) {
    const auto value = take(key);
    if (!value) return missing(key);
    std::string allowed;
    for (const auto& [word, meaning] : choices) {
      if (value->is_word(word)) {
        out = meaning;
        return Found::Good;
      }
      allowed += (allowed.empty() ? "" : ", ") + std::string(word);
    }
    const auto text = value->text();
    if (text) value->fail(quoted(*text) + " is unknown, allowed: " + allowed);
    return Found::Bad;
  }

 private:
  const Node::Entry* entry(std::string_view key) const;
  Found missing(std::string_view key) const { return entry(key) == nullptr ? Found::Absent : Found::Bad; }
  void adopt(const Value& value);

  const Node* node_ = nullptr;  // a mapping, or null if there is none
  std::string path_;
  Position position_;
  Problems* problems_;
  std::vector<std::string_view> known_;
  std::string_view ignored_prefix_;
  bool broken_ = false;
};

}  // namespace vipward::config
