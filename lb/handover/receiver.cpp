#include "lb/handover/receiver.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "lb/handover/codec.h"

namespace vipward::handover {
namespace {

// Two are on their way at most; a link that has more is broken.
constexpr std::size_t kMostBatches = 4;

channel::PacketSocket::Outgoing packet_of(const ToPredecessor& message) {
  return {.packet = encode(message), .owner = nullptr};
}

}  // namespace

Receiver::Receiver(Loop& loop, Fd link, Hooks hooks)
    : hooks_(std::move(hooks)),
      link_(loop, std::move(link), {.accepts_descriptors = true},
            {.on_packet =
                 [this](std::span<const std::uint8_t> bytes, std::vector<Fd> descriptors) {
                   on_packet(bytes, std::move(descriptors));
                   return true;
                 },
             .on_closed = [this] { end(); },
             .on_refused = [this] { end(); },
             // Of which batch shows when its end comes.
             .on_descriptors_lost = [](std::span<const std::uint8_t>) {}}) {}

// After nonsense nothing is believed but that batches which had been taken are ours: whoever said so serves
// them no more. The link is given up; what is in it is read to its end.
void Receiver::on_packet(std::span<const std::uint8_t> bytes, std::vector<Fd> descriptors) {
  if (ended_) return;
  auto message = decode_to_successor(bytes, std::move(descriptors));
  if (broken_ && (!message || !std::holds_alternative<Yours>(*message))) return;
  if (message && std::visit([this](auto& of_kind) { return on(of_kind); }, *message)) return;
  broken_ = true;
  link_.give_up();
}

bool Receiver::on(Backends& message) {
  for (const KnownBackend& known : message.backends) {
    const Place ours = hooks_.on_known(known);
    if (ours.service) services_.insert_or_assign(known.service, *ours.service);
    if (ours.backend)
      backends_.insert_or_assign({.service = known.service, .backend = known.backend}, *ours.backend);
  }
  return !all_known_;
}

bool Receiver::on(Counts& message) {
  hooks_.on_counts(std::move(message));
  return true;
}

bool Receiver::on(Known& message) {
  if (std::exchange(all_known_, true)) return false;
  hooks_.on_all_known(message.sessions);
  return true;
}

bool Receiver::on(Sessions& message) {
  if (!all_known_ || message.batch <= last_batch_ || batches_.size() >= kMostBatches) return false;
  last_batch_ = message.batch;
  Batch& batch = batches_[message.batch];
  for (SessionState& state : message.sessions) batch.arriving.push_back({.state = std::move(state)});
  return true;
}

bool Receiver::on(Bytes& message) {
  const auto found = batches_.find(message.batch);
  if (found == batches_.end()) return true;  // its head found no room
  Batch& batch = found->second;
  if (batch.is_taken || message.session >= batch.arriving.size()) return false;
  return batch.arriving[message.session].add(message);
}

bool Receiver::on(BatchEnd& message) {
  const auto found = batches_.find(message.batch);
  if (found == batches_.end()) {
    if (message.batch <= last_batch_) return false;  // it had an answer
    last_batch_ = message.batch;
    ++refused_;
    link_.send(packet_of(Refused{.batch = message.batch}));
    return true;
  }
  if (!take(found->second)) return false;
  // If it is gone: it may have said Yours of an earlier one, which is still to be read.
  link_.send(packet_of(Taken{.batch = message.batch}));
  return true;
}

// False: a session of it is not whole. Nothing of it is touched yet.
bool Receiver::take(Batch& batch) const {
  if (std::exchange(batch.is_taken, true)) return false;
  for (ArrivingSession& session : std::exchange(batch.arriving, {})) {
    auto record = record_of(std::move(session));
    if (!record) return false;
    if (place(*record)) {
      batch.records.push_back(std::move(*record));
    } else {
      ++batch.displaced;
    }
  }
  return true;
}

bool Receiver::on(Yours& message) {
  const auto found = batches_.find(message.batch);
  if (found == batches_.end() || !found->second.is_taken) return false;
  Batch batch = std::move(found->second);
  batches_.erase(found);
  displaced_ += batch.displaced;
  hooks_.on_sessions(std::move(batch.records));
  return true;
}

bool Receiver::on(End& /*message*/) {
  end();
  return true;
}

// False: the service, or the backend of a session that relays, is not ours.
bool Receiver::place(SessionRecord& record) const {
  const std::size_t theirs = record.service;
  const auto ours = [&](std::size_t backend) -> std::optional<std::size_t> {
    const auto found = backends_.find({.service = theirs, .backend = backend});
    return found == backends_.end() ? std::nullopt : std::optional(found->second);
  };
  const auto service = services_.find(theirs);
  if (service == services_.end()) return false;
  record.service = service->second;
  std::vector<std::size_t> tried;
  for (const std::size_t backend : record.plan.tried()) {
    if (const auto here = ours(backend)) tried.push_back(*here);
  }
  record.plan.resume(record.plan.deadline(), {}, std::move(tried));
  if (record.backend) record.backend = ours(*record.backend);
  return record.backend || record.phase != SessionPhase::Relaying;
}

void Receiver::end() {
  if (std::exchange(ended_, true)) return;
  batches_.clear();
  if (!std::exchange(all_known_, true)) hooks_.on_all_known(0);
  hooks_.on_ended();
}

}  // namespace vipward::handover
