// Whether every service has a backend that is alive (ready or not_ready): what the guardian decides by where
// `on_no_backend: release` is set. Pure; owner: ProxyApp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

#include "lb/balance/backend_state.h"

namespace vipward {

class LivingBackends {
 public:
  // Of nobody anything is known yet.
  void add_service(std::size_t backends) { states_.emplace_back(backends, BackendState::Unknown); }

  // True if every_service() has another answer now, and one at all.
  bool set(BackendId id, BackendState state) {
    const auto before = every_service();
    states_[id.service][id.backend] = state;
    const auto after = every_service();
    return after && after != before;
  }
  // Nullopt: too little is known, as right after the start.
  std::optional<bool> every_service() const {
    bool every = true;
    for (const std::vector<BackendState>& service : states_) {
      if (std::ranges::any_of(service, is_alive)) continue;
      if (std::ranges::find(service, BackendState::Unknown) != service.end()) return std::nullopt;
      every = false;
    }
    return every;
  }

 private:
  static bool is_alive(BackendState state) {
    return state == BackendState::Ready || state == BackendState::NotReady;
  }

  std::vector<std::vector<BackendState>> states_;
};

}  // namespace vipward
