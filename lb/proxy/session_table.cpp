#include "lb/proxy/session_table.h"

#include <utility>

namespace vipward {

Session& SessionTable::insert(std::unique_ptr<Session> session) {
  session->table_position_ = living_.size();
  living_.push_back(std::move(session));
  return *living_.back();
}

void SessionTable::bury(Session& session) {
  const std::size_t position = session.table_position_;
  graveyard_.push_back(std::move(living_[position]));
  if (position + 1 < living_.size()) {
    living_[position] = std::move(living_.back());
    living_[position]->table_position_ = position;
  }
  living_.pop_back();
}

}  // namespace vipward
