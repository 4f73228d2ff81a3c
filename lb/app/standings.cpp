#include "lb/app/standings.h"

#include <map>
#include <utility>

namespace vipward {
namespace {

using WallTime = Standings::WallTime;

WallTime wall_time(std::int64_t unix_ms) {
  return WallTime(std::chrono::milliseconds(unix_ms));
}

// As the operator means them: the steady deadline follows.
bool is_same(const std::optional<Drain>& one, const std::optional<Drain>& other) {
  if (!one || !other) return one.has_value() == other.has_value();
  return one->since == other->since && one->deadline_wall == other->deadline_wall;
}

}  // namespace

Standings::Standings(const EffectiveServices& services, TimePoint now, WallTime wall_now) {
  for (const ServiceConfig& service : services.services) standings_.emplace_back(service.backends.size());
  for (const EffectiveServices::Departing& departing : services.departing) {
    standings_[departing.id.service][departing.id.backend].drain =
        Drain{.deadline = departing.leaves_at,
              .removed = true,
              .deadline_wall =
                  wall_now + std::chrono::duration_cast<WallTime::duration>(departing.leaves_at - now)};
  }
}

const BackendStanding& Standings::set_health(const HealthChange& change) {
  BackendStanding& standing = standings_[change.backend.service][change.backend.backend];
  standing.state = change.state;
  standing.dead_cause = change.dead_cause;
  standing.may_be_our_path = change.may_be_our_path;
  standing.since = change.since;
  return standing;
}

std::vector<BackendId> Standings::set_drains(const std::vector<channel::DrainedBackend>& drains,
                                             TimePoint now, WallTime wall_now) {
  std::map<BackendId, Drain> wanted;
  for (const channel::DrainedBackend& drained : drains) {
    Drain& drain = wanted[{.service = drained.service, .backend = drained.backend}];
    drain.since = wall_time(drained.since_unix_ms);
    if (drained.deadline_unix_ms == 0) continue;
    drain.deadline_wall = wall_time(drained.deadline_unix_ms);
    drain.deadline = now + std::chrono::duration_cast<Duration>(*drain.deadline_wall - wall_now);
  }
  std::vector<BackendId> changed;
  for (std::size_t i = 0; i < standings_.size(); ++i) {
    for (std::size_t j = 0; j < standings_[i].size(); ++j) {
      const BackendId id{.service = i, .backend = j};
      BackendStanding& standing = standings_[i][j];
      if (standing.drain && standing.drain->removed) continue;
      const auto found = wanted.find(id);
      const std::optional<Drain> drain = found == wanted.end() ? std::nullopt : std::optional(found->second);
      if (is_same(standing.drain, drain)) continue;
      standing.drain = drain;
      changed.push_back(id);
    }
  }
  return changed;
}

}  // namespace vipward
