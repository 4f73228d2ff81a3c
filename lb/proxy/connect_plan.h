// Whom to connect to next, and until when. Pure; one per session, carried by its SessionRecord.
// Each backend is tried once: the best round first (ready; with fail_open then unknown and not_ready, then
// dead), within a round by the service's picker.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "lb/balance/backend_state.h"
#include "lb/balance/picker.h"
#include "lb/event/time.h"

namespace vipward {

class ConnectPlan {
 public:
  struct Limits {
    Duration attempt{};   // connect.timeout
    Duration deadline{};  // connect.deadline, from begin()
    bool fail_open = true;
  };
  // A backend of the service at this moment.
  struct View {
    BackendState state = BackendState::Unknown;
    unsigned weight = 1;
    std::uint32_t connections = 0;
  };
  struct Attempt {
    std::size_t backend = 0;
    TimePoint give_up_at{};
  };
  struct Exhausted {};  // every eligible backend has been tried, or there is none
  struct DeadlinePassed {};
  using Step = std::variant<Attempt, Exhausted, DeadlinePassed>;

  void begin(TimePoint now, const Limits& limits);
  // `backends` by position in the service.
  Step next(TimePoint now, std::span<const View> backends, Picker& picker, Random& random);
  // The last attempt never left this host (no descriptor): its backend may be tried again.
  void take_back(std::size_t backend);
  // Backends tried so far.
  std::size_t attempts() const { return tried_.size(); }
  TimePoint deadline() const { return deadline_; }
  // By position in the service, in order.
  const std::vector<std::size_t>& tried() const { return tried_; }
  // One that was begun elsewhere goes on, with the limits of here.
  void resume(TimePoint deadline, const Limits& limits, std::vector<std::size_t> tried) {
    limits_ = limits;
    deadline_ = deadline;
    tried_ = std::move(tried);
  }

 private:
  bool was_tried(std::size_t backend) const;

  Limits limits_{};
  TimePoint deadline_{};
  std::vector<std::size_t> tried_;
};

}  // namespace vipward
