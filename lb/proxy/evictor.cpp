#include "lb/proxy/evictor.h"

#include <algorithm>
#include <utility>

namespace vipward {

Evictor::Evictor(Loop& loop, SessionTable& sessions, std::span<const std::unique_ptr<Service>> services,
                 std::function<void()> on_tick_end)
    : loop_(loop),
      sessions_(sessions),
      services_(services),
      on_tick_end_(std::move(on_tick_end)),
      timer_(loop, [this] { tick(); }) {}

void Evictor::reconsider() {
  // Changes elsewhere must not hasten the pace.
  if (!under_way_) timer_.arm_after(Duration::zero());
}

void Evictor::tick() {
  const TimePoint now = loop_.now();
  std::map<BackendId, std::vector<Session*>> doomed;
  for (const auto& session : sessions_.living()) {
    const SessionRecord& record = session->record();
    if (record.phase != SessionPhase::Relaying) continue;
    const Service& service = *services_[record.service];
    const BackendStanding& standing = service.standings()[*record.backend];
    const Eviction eviction =
        eviction_of(standing, {.another_ready = service.is_another_ready(*record.backend),
                               .drain_timeout = service.config().drain_timeout,
                               .now = now});
    if (eviction == Eviction::None) continue;
    if (eviction == Eviction::Older && record.established_at >= standing.since) continue;
    doomed[{.service = record.service, .backend = *record.backend}].push_back(session.get());
  }
  std::erase_if(paces_, [&](const auto& entry) { return !doomed.contains(entry.first); });
  bool more = false;
  for (auto& [id, sessions] : doomed) {
    const std::size_t batch = std::min(paces_[id].next_batch(sessions.size()), sessions.size());
    const bool dead = services_[id.service]->standings()[id.backend].state == BackendState::Dead;
    for (std::size_t i = 0; i < batch; ++i) {
      sessions[i]->abort(dead ? EndReason::BackendDead : EndReason::BackendNotReady);
    }
    more = more || batch < sessions.size();
  }
  on_tick_end_();
  under_way_ = more;
  if (more) {
    timer_.arm_after(kPaceTick);
  } else if (const auto next = next_drain_deadline(now)) {
    timer_.arm_at(*next);
  }
}

std::optional<TimePoint> Evictor::next_drain_deadline(TimePoint now) const {
  std::optional<TimePoint> next;
  for (const auto& service : services_) {
    for (const BackendStanding& standing : service->standings()) {
      if (standing.state != BackendState::NotReady) continue;
      const TimePoint deadline = standing.since + service->config().drain_timeout;
      if (deadline > now && (!next || deadline < *next)) next = deadline;
    }
  }
  return next;
}

}  // namespace vipward
