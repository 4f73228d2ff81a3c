#include "lb/app/arrival.h"

#include <algorithm>
#include <utility>

namespace vipward {

Arrival::Arrival(Loop& loop, Log& log, WorkerPool& workers, Fd link, Hooks hooks)
    : loop_(loop),
      log_(log),
      workers_(workers),
      hooks_(std::move(hooks)),
      began_at_(loop.now()),
      patience_(loop, [this] { serve(); }),
      receiver_(
          loop, std::move(link),
          {.on_known = hooks_.on_known,
           .on_counts = hooks_.on_counts,
           .on_all_known =
               [this](std::uint32_t sessions) {
                 expect(sessions);
                 serve();
               },
           .on_sessions = [this](std::vector<SessionRecord> records) { on_sessions(std::move(records)); },
           .on_ended = [this] { on_link_ended(); }}) {
  patience_.arm_after(kPatience);
}

void Arrival::serve() {
  patience_.cancel();
  if (!std::exchange(serving_, true)) hooks_.on_time_to_serve();
}

void Arrival::expect(std::uint32_t sessions) {
  expected_ = sessions;
  hooks_.on_expected(sessions);
}

void Arrival::on_sessions(std::vector<SessionRecord> records) {
  expect(expected_ - std::min(expected_, static_cast<std::uint32_t>(records.size())));
  sessions_ += static_cast<std::uint32_t>(records.size());
  shares_on_their_way_ += workers_.adopt(std::move(records), [this](Duration longest) {
    longest_stall_ = std::max(longest_stall_, longest);
    --shares_on_their_way_;
    end_if_done();
  });
}

void Arrival::on_link_ended() {
  link_ended_ = true;
  expect(0);
  serve();
  end_if_done();
}

void Arrival::end_if_done() {
  if (!link_ended_ || shares_on_their_way_ > 0) return;
  log_.info("sessions taken over", {{"sessions", sessions_},
                                    {"displaced", receiver_.displaced()},
                                    {"batches_refused", receiver_.refused()},
                                    {"longest_stall_seconds", longest_stall_},
                                    {"duration_seconds", loop_.now() - began_at_}});
  hooks_.on_ended(
      {.sessions = sessions_,
       .longest_stall_us = std::chrono::duration_cast<std::chrono::microseconds>(longest_stall_).count()});
}

}  // namespace vipward
