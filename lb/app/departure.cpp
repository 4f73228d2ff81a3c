#include "lb/app/departure.h"

#include <algorithm>
#include <utility>

namespace vipward {

Departure::Departure(Loop& loop, Log& log, WorkerPool& workers, Fd link,
                     std::vector<handover::KnownBackend> known, std::uint32_t sessions, Hooks hooks)
    : loop_(loop),
      log_(log),
      workers_(workers),
      hooks_(std::move(hooks)),
      began_at_(loop.now()),
      sender_(loop, std::move(link), std::move(known), sessions,
              {.counts = hooks_.counts,
               .fetch = [this](std::size_t most) { fetch(most); },
               .give_back = [this](std::vector<SessionRecord> records) { give_back(std::move(records)); },
               .on_ended = [this](std::uint32_t moved) { on_sender_ended(moved); }}) {}

void Departure::fetch(std::size_t most) {
  fetching_ = true;
  workers_.detach(most, [this](std::vector<SessionRecord> records, bool was_last) {
    fetching_ = false;
    sender_.deliver({.sessions = std::move(records), .was_last = was_last});
    end_if_done();
  });
}

void Departure::give_back(std::vector<SessionRecord> records) {
  shares_on_their_way_ += workers_.adopt(std::move(records), [this](Duration longest) {
    longest_absence_ = std::max(longest_absence_, longest);
    --shares_on_their_way_;
    end_if_done();
  });
}

void Departure::on_sender_ended(std::uint32_t moved) {
  sender_ended_ = true;
  moved_ = moved;
  end_if_done();
}

void Departure::end_if_done() {
  if (!sender_ended_ || fetching_ || shares_on_their_way_ > 0 || std::exchange(over_, true)) return;
  if (sender_.was_given_up()) log_.warn("the next generation does not answer, the link is given up");
  log_.info("sessions handed over", {{"sessions", moved_},
                                     {"batches_refused", sender_.refused()},
                                     {"longest_absence_seconds", longest_absence_},
                                     {"duration_seconds", loop_.now() - began_at_}});
  hooks_.on_ended(moved_);
}

}  // namespace vipward
