// A YAML document as a tree of plain nodes with positions: bounded in depth and in size after aliases, merge
// keys (`<<`) applied, duplicate keys reported. No alias is ever expanded into copies: its users share a
// node. Owned by the load; one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "config/problems.h"

namespace vipward::config {

constexpr std::size_t kDeepest = 32;
constexpr std::size_t kMostNodes = 100'000;  // every use of an alias counts all that it stands for

enum class NodeKind : std::uint8_t { Null, Scalar, Sequence, Mapping };

struct Node {
  struct Entry {
    std::string key;
    Position key_position;
    const Node* value = nullptr;  // owned by the document
  };

  NodeKind kind = NodeKind::Null;
  Position position;
  std::string text;                // Scalar
  std::vector<const Node*> items;  // Sequence
  std::vector<Entry> entries;      // Mapping

  // For the limits, while the document is built.
  std::size_t size = 1;    // this node and all below it, aliases counted in full
  std::size_t height = 1;  // levels, this one included
  bool complete = true;
};

class Document {
 public:
  // Problems that hide the rest of the file (syntax, limits) leave the document without a root.
  Document(std::string_view text, Problems& problems);
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  const Node* root() const { return root_; }

 private:
  std::deque<Node> nodes_;
  const Node* root_ = nullptr;
};

}  // namespace vipward::config
