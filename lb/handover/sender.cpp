#include "lb/handover/sender.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "lb/handover/carried_session.h"
#include "lb/handover/codec.h"

namespace vipward::handover {
namespace {

using namespace std::chrono_literals;

// One on its way there, one that is being looked at, so that neither side waits for the other.
constexpr std::size_t kMostBatches = 2;
// What the link holds that the kernel has not taken: it is not asked to hold a whole batch.
constexpr std::size_t kLongQueue = 8;
// How soon a link that was full is looked at again.
constexpr Duration kPause = 1ms;
// After a refusal, or while the last sessions are still connecting.
constexpr Duration kRefusalPause = 50ms;
constexpr Duration kConnectingPause = 10ms;

}  // namespace

Sender::Sender(Loop& loop, Fd link, std::vector<KnownBackend> known, std::uint32_t sessions, Hooks hooks)
    : loop_(loop),
      hooks_(std::move(hooks)),
      sessions_at_first_(sessions),
      link_(loop, std::move(link), {.accepts_descriptors = false},
            {.on_packet = [this](std::span<const std::uint8_t> bytes,
                                 const std::vector<Fd>&) { return on_packet(bytes); },
             .on_closed = [this] { end(); },
             .on_refused = [this] { end(); },
             .on_descriptors_lost = [](std::span<const std::uint8_t>) {}}),
      again_(loop, [this] { pump(); }),
      silence_(loop, [this] { look_for_silence(); }) {
  for (std::size_t at = 0; at < known.size(); at += Backends::kMost) {
    const auto begin = known.begin() + static_cast<std::ptrdiff_t>(at);
    const auto size = static_cast<std::ptrdiff_t>(std::min(Backends::kMost, known.size() - at));
    to_say_.emplace_back(
        Backends{.backends = {std::make_move_iterator(begin), std::make_move_iterator(begin + size)}});
  }
  // Later: nobody has this yet, and the owner is asked for counts and sessions.
  again_.arm_after(Duration::zero());
}

std::optional<std::uint64_t> Sender::send(ToSuccessor message) {
  const auto kept = std::make_shared<const ToSuccessor>(std::move(message));
  if (!link_.send({.packet = encode(*kept), .owner = kept})) return std::nullopt;
  return link_.sent() + link_.queued();
}

bool Sender::on_packet(std::span<const std::uint8_t> bytes) {
  if (ended_) return true;
  const auto message = decode_to_predecessor(bytes, {});
  if (!message) return false;
  ++answers_;
  if (const auto* taken = std::get_if<Taken>(&*message)) return on_taken(taken->batch);
  return on_refused(std::get<Refused>(*message).batch);
}

// One that awaits its answer.
std::deque<Sender::Batch>::iterator Sender::find(std::uint32_t number) {
  return std::ranges::find_if(batches_, [this, number](const Batch& batch) {
    return batch.number == number && batch.end && *batch.end <= link_.sent() && !batch.yours;
  });
}

// The commit. If the link has just failed, the batch stays ours: its end gives it back.
bool Sender::on_taken(std::uint32_t number) {
  const auto batch = find(number);
  if (batch == batches_.end()) return false;
  batch->yours = send(Yours{.batch = number});
  batch_size_ = std::min(Sessions::kMost, batch_size_ * 2);
  pump();
  return true;
}

bool Sender::on_refused(std::uint32_t number) {
  const auto batch = find(number);
  if (batch == batches_.end()) return false;
  std::vector<SessionRecord> sessions = std::move(batch->sessions);
  batches_.erase(batch);
  ++refused_;
  batch_size_ = std::max<std::size_t>(1, batch_size_ / 2);
  fetch_from_ = loop_.now() + kRefusalPause;
  gave_back_ = true;
  hooks_.give_back(std::move(sessions));
  pump();
  return true;
}

// Our descriptors are closed with a batch, the successor's keep the connections. Not before the kernel has
// Yours: what is still queued here when the link ends has never been said.
void Sender::drop_committed() {
  std::erase_if(batches_, [this](const Batch& batch) {
    const bool is_theirs = batch.yours && *batch.yours <= link_.sent();
    if (is_theirs) moved_ += static_cast<std::uint32_t>(batch.sessions.size());
    return is_theirs;
  });
}

void Sender::pump() {
  if (ended_) return;
  if (!std::exchange(began_, true)) {
    for (Counts& part : hooks_.counts()) to_say_.emplace_back(std::move(part));
    to_say_.emplace_back(Known{.sessions = sessions_at_first_});
  }
  // First: a copy that is still open here keeps a socket's events coming over there.
  drop_committed();
  say_more();
  drop_committed();
  look_for_silence();
  const bool all_said = to_say_.empty() && link_.queued() == 0;
  if (!all_said) return static_cast<void>(again_.arm_after(kPause));
  if (finishing_) return end();
  if (!may_fetch()) return;
  if (loop_.now() < fetch_from_) return static_cast<void>(again_.arm_at(fetch_from_));
  fetching_ = true;
  gave_back_ = false;
  hooks_.fetch(batch_size_);
}

void Sender::say_more() {
  while (!to_say_.empty() && link_.queued() < kLongQueue) {
    const auto* const end = std::get_if<BatchEnd>(&to_say_.front());
    const auto batch =
        end == nullptr ? batches_.end() : std::ranges::find(batches_, end->batch, &Batch::number);
    const auto position = send(std::move(to_say_.front()));
    if (batch != batches_.end()) batch->end = position;
    to_say_.pop_front();
  }
}

bool Sender::may_fetch() const {
  return !fetching_ && batches_.size() < kMostBatches;
}

void Sender::deliver(Lot lot) {
  fetching_ = false;
  if (ended_) return hooks_.give_back(std::move(lot.sessions));
  if (!lot.sessions.empty()) {
    add_batch(std::move(lot.sessions));
  } else if (!lot.was_last || gave_back_ || !batches_.empty()) {
    // The last ones are still connecting, or on their way, and may come back, or have since the workers
    // looked.
    fetch_from_ = std::max(fetch_from_, loop_.now() + kConnectingPause);
  } else {
    finishing_ = true;
    for (Counts& part : hooks_.counts()) to_say_.emplace_back(std::move(part));
    to_say_.emplace_back(End{});
  }
  pump();
}

// The descriptors stay the batch's: the packet borrows them for as long as it is in the queue.
void Sender::add_batch(std::vector<SessionRecord> sessions) {
  Batch& batch = batches_.emplace_back(Batch{.number = next_batch_++, .sessions = std::move(sessions)});
  Sessions head{.batch = batch.number, .sessions = {}};
  for (SessionRecord& session : batch.sessions) {
    const auto index = static_cast<std::uint32_t>(head.sessions.size());
    head.sessions.push_back(lend(session));
    for (Bytes& part : bytes_of(session, batch.number, index)) to_say_.emplace_back(std::move(part));
  }
  to_say_.emplace_back(BatchEnd{.batch = batch.number});
  ToSuccessor message(std::move(head));
  channel::Packet packet = encode(message);
  for (std::size_t i = 0; i < batch.sessions.size(); ++i)
    take_back(batch.sessions[i], std::get<Sessions>(message).sessions[i]);
  link_.send({.packet = std::move(packet), .owner = nullptr});
}

void Sender::look_for_silence() {
  if (batches_.empty() && link_.queued() == 0) {
    stepped_at_.reset();
    return silence_.cancel();
  }
  const std::uint64_t steps = link_.sent() + answers_;
  const bool has_moved = steps != std::exchange(steps_, steps);
  if (!stepped_at_ || has_moved) {
    stepped_at_ = loop_.now();
    looked_again_ = false;
  }
  if (loop_.now() - *stepped_at_ < kLongestSilence)
    return static_cast<void>(silence_.arm_at(*stepped_at_ + kLongestSilence));
  // A loop that was held up runs its timers before it looks at its sockets.
  if (!std::exchange(looked_again_, true)) return static_cast<void>(silence_.arm_after(kPause));
  given_up_ = true;
  link_.give_up();
}

void Sender::end() {
  if (std::exchange(ended_, true)) return;
  again_.cancel();
  silence_.cancel();
  to_say_.clear();
  drop_committed();
  for (Batch& batch : std::exchange(batches_, {})) hooks_.give_back(std::move(batch.sessions));
  hooks_.on_ended(moved_);
}

}  // namespace vipward::handover
