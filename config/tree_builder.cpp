#include "config/tree_builder.h"

#include <algorithm>
#include <utility>

namespace vipward::config {
namespace {

Position position_of(const YAML::Mark& mark) {
  return {mark.line + 1, mark.column + 1};
}

}  // namespace

void TreeBuilder::OnDocumentStart(const YAML::Mark& mark) {
  if (started_) throw DocumentError(position_of(mark), "", "a second document starts here, one is allowed");
  started_ = true;
}

void TreeBuilder::OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) {
  refuse_as_key(mark);
  Node& node = add_node(NodeKind::Null, mark, anchor);
  // Nothing at all after `key:` is marked where the next thing begins, lines below.
  const bool has_key = !open_.empty() && open_.back().key;
  if (has_key && node.position.line != open_.back().key->position.line)
    node.position = open_.back().key->position;
  attach(node);
}

void TreeBuilder::OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) {
  refuse_as_key(mark);
  const auto found = anchors_.find(anchor);
  if (found == anchors_.end() || !found->second->complete) {
    throw DocumentError(position_of(mark), path(), "an alias must not stand inside what it names");
  }
  const Node& target = *found->second;
  count(target.size, position_of(mark));
  if (open_.size() + target.height > kDeepest) {
    throw DocumentError(position_of(mark), path(),
                        "nested too deeply, at most " + std::to_string(kDeepest) + " levels are allowed");
  }
  attach(target);
}

void TreeBuilder::OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                           const std::string& value) {
  check_tag(mark, tag);
  Node& node = add_node(NodeKind::Scalar, mark, anchor);
  node.text = value;
  if (expects_key()) {
    // yaml-cpp marks a scalar without quotes with the tag "?".
    start_entry({.text = value, .position = position_of(mark), .merge = value == "<<" && tag == "?"});
  } else {
    attach(node);
  }
}

void TreeBuilder::OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                                  YAML::EmitterStyle::value /*style*/) {
  open(NodeKind::Sequence, mark, tag, anchor);
}

void TreeBuilder::OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                             YAML::EmitterStyle::value /*style*/) {
  open(NodeKind::Mapping, mark, tag, anchor);
}

std::string TreeBuilder::path() const {
  std::string path;
  for (const Open& open : open_) {
    if (open.node->kind == NodeKind::Sequence) {
      path = path_of_item(path, open.node->items.size());
    } else if (open.key) {
      path = path_of_key(path, open.key->text);
    }
  }
  return path;
}

bool TreeBuilder::expects_key() const {
  return !open_.empty() && open_.back().node->kind == NodeKind::Mapping && !open_.back().key;
}

Node& TreeBuilder::add_node(NodeKind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
  count(1, position_of(mark));
  Node& node = nodes_.emplace_back();
  node.kind = kind;
  node.position = position_of(mark);
  if (anchor != 0) anchors_[anchor] = &node;
  return node;
}

void TreeBuilder::open(NodeKind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
  refuse_as_key(mark);
  check_tag(mark, tag);
  if (open_.size() == kDeepest) {
    throw DocumentError(position_of(mark), path(),
                        "nested too deeply, at most " + std::to_string(kDeepest) + " levels are allowed");
  }
  Node& node = add_node(kind, mark, anchor);
  node.complete = false;
  open_.push_back({.node = &node, .key = {}, .merged = {}, .seen = {}});
}

void TreeBuilder::close() {
  Open done = std::move(open_.back());
  open_.pop_back();
  merge(done);
  done.node->complete = true;
  attach(*done.node);
}

void TreeBuilder::attach(const Node& node) {
  if (open_.empty()) {
    root_ = &node;
    return;
  }
  Open& parent = open_.back();
  parent.node->size += node.size;
  parent.node->height = std::max(parent.node->height, node.height + 1);
  if (parent.node->kind == NodeKind::Sequence) {
    parent.node->items.push_back(&node);
    return;
  }
  const Key key = *std::exchange(parent.key, std::nullopt);
  if (key.merge) {
    parent.merged.push_back(&node);
    return;
  }
  const auto [earlier, fresh] = parent.seen.try_emplace(key.text, key.position);
  if (fresh) {
    parent.node->entries.push_back({key.text, key.position, &node});
    return;
  }
  problems_.add(key.position, path_of_key(path(), key.text),
                "set twice in the same mapping, first in line " + std::to_string(earlier->second.line));
}

void TreeBuilder::start_entry(Key key) {
  if (key.merge && !open_.back().merged.empty()) {
    problems_.add(key.position, path_of_key(path(), key.text),
                  "set twice in the same mapping, several aliases are a list: [*a, *b]");
  }
  open_.back().key = std::move(key);
}

// Keys of the mapping itself come before merged ones, and of the merged ones the first
// (yaml.org/type/merge.html).
void TreeBuilder::merge(Open& mapping) {
  for (const Node* source : mapping.merged) {
    const bool list = source->kind == NodeKind::Sequence;
    for (const Node* one : list ? source->items : std::vector{source}) {
      if (one->kind == NodeKind::Mapping) {
        merge_entries(mapping, *one);
      } else {
        problems_.add(one->position, path_of_key(path(), "<<"),
                      "merges only mappings, allowed: an alias of a mapping or a list of them");
      }
    }
  }
}

void TreeBuilder::merge_entries(Open& mapping, const Node& source) {
  for (const Node::Entry& entry : source.entries) {
    if (mapping.seen.try_emplace(entry.key, entry.key_position).second)
      mapping.node->entries.push_back(entry);
  }
}

void TreeBuilder::check_tag(const YAML::Mark& mark, const std::string& tag) {
  // "?" and "!" stand for a scalar without a tag, without and with quotes; the long ones are !!str and its
  // kind.
  if (tag.empty() || tag == "?" || tag == "!" || tag.starts_with("tag:yaml.org,2002:")) return;
  problems_.add(position_of(mark), path(), "the tag " + quoted(tag) + " is not supported");
}

void TreeBuilder::refuse_as_key(const YAML::Mark& mark) const {
  if (!expects_key()) return;
  throw DocumentError(position_of(mark), path(),
                      "a key must be text, not empty, a list, a mapping or an alias");
}

void TreeBuilder::count(std::size_t more, Position position) {
  used_ += more;
  if (used_ <= kMostNodes) return;
  throw DocumentError(position, "",
                      "the document is too large, at most " + std::to_string(kMostNodes) +
                          " values are allowed, each use of an alias counted in full");
}

}  // namespace vipward::config
