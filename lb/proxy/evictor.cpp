#include "lb/proxy/evictor.h"

#include <algorithm>
#include <utility>

namespace vipward {
namespace {

EndReason reason_of(EvictionCause cause) {
  switch (cause) {
    case EvictionCause::Dead:
      return EndReason::BackendDead;
    case EvictionCause::NotReady:
      return EndReason::BackendNotReady;
    case EvictionCause::Drained:
      return EndReason::BackendDrained;
    case EvictionCause::Removed:
      return EndReason::BackendRemoved;
  }
  return EndReason::BackendDead;
}

}  // namespace

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

EvictionOrder Evictor::order_of(BackendId id, TimePoint now) const {
  const Service& service = *services_[id.service];
  return eviction_of(service.standings()[id.backend], {.another_ready = service.is_another_ready(id.backend),
                                                       .drain_timeout = service.config().drain_timeout,
                                                       .now = now});
}

void Evictor::tick() {
  const TimePoint now = loop_.now();
  std::map<BackendId, Doomed> doomed;
  bool more = false;
  for (const auto& session : sessions_.living()) {
    const SessionRecord& record = session->record();
    if (!record.backend) continue;
    const BackendId id{.service = record.service, .backend = *record.backend};
    const EvictionOrder order = order_of(id, now);
    if (order.sessions == Eviction::None) continue;
    // One that was on its way there before is looked at again.
    if (record.phase != SessionPhase::Relaying) {
      more = more || order.sessions == Eviction::All;
      continue;
    }
    if (order.sessions == Eviction::Older &&
        record.established_at >= services_[id.service]->standings()[id.backend].since)
      continue;
    Doomed& of_backend = doomed[id];
    of_backend.reason = reason_of(order.cause);
    of_backend.sessions.push_back(session.get());
  }
  std::erase_if(paces_, [&](const auto& entry) { return !doomed.contains(entry.first); });
  for (const auto& [id, of_backend] : doomed) {
    const auto& sessions = of_backend.sessions;
    const std::size_t batch = std::min(paces_[id].next_batch(sessions.size()), sessions.size());
    for (std::size_t i = 0; i < batch; ++i) sessions[i]->abort(of_backend.reason);
    more = more || batch < sessions.size();
  }
  on_tick_end_();
  under_way_ = more;
  if (more) {
    timer_.arm_after(kPaceTick);
  } else if (const auto next = next_deadline(now)) {
    timer_.arm_at(*next);
  }
}

std::optional<TimePoint> Evictor::next_deadline(TimePoint now) const {
  std::optional<TimePoint> next;
  for (const auto& service : services_) {
    for (const BackendStanding& standing : service->standings()) {
      const auto deadline = next_eviction(standing, service->config().drain_timeout);
      if (deadline && *deadline > now && (!next || *deadline < *next)) next = deadline;
    }
  }
  return next;
}

}  // namespace vipward
