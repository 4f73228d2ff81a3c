// Turns yaml-cpp's events into the nodes of a Document, and stops the parser by an exception as soon as a
// limit is passed. Private to document.cpp: the only header of config/ that knows yaml-cpp.
#pragma once

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/mark.h>

#include <deque>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "config/document.h"

namespace vipward::config {

// What ends the reading of a document.
class DocumentError : public std::runtime_error {
 public:
  DocumentError(Position position, std::string path, const std::string& what)
      : std::runtime_error(what), position_(position), path_(std::move(path)) {}
  Position position() const { return position_; }
  const std::string& path() const { return path_; }

 private:
  Position position_;
  std::string path_;
};

class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(std::deque<Node>& nodes, Problems& problems) : nodes_(nodes), problems_(problems) {}
  const Node* root() const { return root_; }

  void OnDocumentStart(const YAML::Mark& mark) override;
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override;
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override;
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override;
  void OnMapEnd() override { close(); }

 private:
  struct Key {
    std::string text;
    Position position;
    bool merge = false;
  };
  // A sequence or mapping that is still open.
  struct Open {
    Node* node;
    std::optional<Key> key;  // of the mapping's entry whose value comes next
    std::vector<const Node*> merged;
    std::unordered_map<std::string, Position> seen;
  };

  std::string path() const;
  bool expects_key() const;
  Node& add_node(NodeKind kind, const YAML::Mark& mark, YAML::anchor_t anchor);
  void open(NodeKind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor);
  void close();
  void attach(const Node& node);
  void start_entry(Key key);
  void merge(Open& mapping);
  void merge_entries(Open& mapping, const Node& source);
  void check_tag(const YAML::Mark& mark, const std::string& tag);
  void refuse_as_key(const YAML::Mark& mark) const;
  void count(std::size_t more, Position position);

  std::deque<Node>& nodes_;
  Problems& problems_;
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, const Node*> anchors_;
  std::size_t used_ = 0;
  const Node* root_ = nullptr;
  bool started_ = false;
};

}  // namespace vipward::config
