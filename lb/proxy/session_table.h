// All sessions of a worker, and the graveyard: an ended session stays until the event batch is over, as later
// events of the batch may still point at it. Worker thread.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "lb/proxy/session.h"

namespace vipward {

class SessionTable {
 public:
  Session& insert(std::unique_ptr<Session> session);
  // Takes it out of the living, keeps its memory.
  void bury(Session& session);
  void clear_graveyard() { graveyard_.clear(); }
  // In no order; ends of sessions change it.
  std::span<const std::unique_ptr<Session>> living() const { return living_; }

 private:
  std::vector<std::unique_ptr<Session>> living_;
  std::vector<std::unique_ptr<Session>> graveyard_;
};

}  // namespace vipward
