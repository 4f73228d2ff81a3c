#include "lb/proxy/relay.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace vipward {
namespace {

// A direction is in bulk after so many reads in a row of at least so much, and as long as pieces are not
// smaller. No request is, no answer of a watch, but a list of some size. A spliced piece takes up to four
// system calls more than a copied one, which is about what copying so much costs.
constexpr std::size_t kLargeBytes = 16 * 1024;
constexpr std::uint8_t kBulkReads = 16;

// send(2) that says nothing by signal. Negative: -errno.
ssize_t send_some(int sink, std::span<const std::byte> bytes) {
  for (;;) {
    const ssize_t sent = send(sink, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return sent;
    if (errno != EINTR) return -errno;
  }
}

ssize_t receive_some(int source, std::span<std::byte> buffer) {
  for (;;) {
    const ssize_t received = recv(source, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (received >= 0) return received;
    if (errno != EINTR) return -errno;
  }
}

}  // namespace

Relay::Status Relay::advance(int source, int sink, const Means& means, Budget budget) {
  if (status_ == Status::Finished) return status_;
  if (!flush(sink)) return status_;
  while (!source_ended_) {
    if (budget.copied_bytes == 0 || budget.spliced_bytes == 0) return status_ = Status::BudgetUsed;
    Pipe::Move move;
    // No less than what counts as large, or the end of a budget would look like the end of the bulk.
    if (is_in_bulk())
      move = means.pipe.move(source, sink, std::max(budget.spliced_bytes, kLargeBytes), unsent_);
    const bool is_spliced = move.received != 0;
    const ssize_t received = is_spliced ? move.received : receive_some(source, means.buffer);
    if (received == -EAGAIN) return status_ = Status::AwaitsSource;
    if (received < 0) return fail(Status::SourceFailed, static_cast<int>(-received));
    if (received == 0) {
      source_ended_ = true;
      break;
    }
    const auto size = static_cast<std::size_t>(received);
    large_reads_ = size < kLargeBytes ? 0 : std::min<std::uint8_t>(large_reads_ + 1, kBulkReads);
    std::size_t& left = is_spliced ? budget.spliced_bytes : budget.copied_bytes;
    left -= std::min(left, size);
    if (is_spliced ? !did_move(move, sink) : !pass_on(sink, means.buffer.first(size))) return status_;
    const bool is_exhausted = !is_spliced && size < means.buffer.size() && !expects_end_;
    if (is_exhausted) return status_ = Status::AwaitsSource;
  }
  if (holds_empty_end_ && bytes_ == 0) return status_ = Status::EndedEmpty;
  return finish(sink);
}

// While the opening may have to be said again it has to be seen.
bool Relay::is_in_bulk() const {
  return large_reads_ == kBulkReads && opening_limit_ == 0;
}

bool Relay::pass_on(int sink, std::span<const std::byte> data) {
  remember(data);
  ssize_t sent = send_some(sink, data);
  if (sent == -EAGAIN) sent = 0;
  if (!did_send(sent)) return false;
  const auto rest = data.subspan(static_cast<std::size_t>(sent));
  if (rest.empty()) return true;
  unsent_.assign(rest.begin(), rest.end());
  // A short send may leave room that no further event announces: only EAGAIN promises one.
  return flush(sink);
}

Relay::State Relay::save() const {
  const auto rest = unsent();
  return {.unsent = {rest.begin(), rest.end()},
          .opening = opening_,
          .bytes = bytes_,
          .opening_limit = static_cast<std::uint32_t>(opening_limit_),
          .holds_empty_end = holds_empty_end_,
          .source_ended = source_ended_,
          .finished = is_finished()};
}

Relay Relay::restored(State state) {
  Relay relay;
  relay.unsent_ = std::move(state.unsent);
  relay.opening_ = std::move(state.opening);
  relay.bytes_ = state.bytes;
  relay.opening_limit_ = state.opening_limit;
  relay.holds_empty_end_ = state.holds_empty_end;
  relay.source_ended_ = state.source_ended;
  relay.status_ = state.finished ? Status::Finished : Status::AwaitsSink;
  return relay;
}

void Relay::forget_opening() {
  opening_limit_ = 0;
  std::vector<std::byte>().swap(opening_);
}

std::span<const std::byte> Relay::opening() const {
  return source_ended_ ? std::span<const std::byte>() : std::span(opening_);
}

void Relay::rewind() {
  unsent_ = opening_;
  sent_of_unsent_ = 0;
  bytes_ = 0;
  status_ = Status::AwaitsSink;
  error_ = 0;
}

bool Relay::salvage(int source, int sink, std::span<std::byte> buffer, std::size_t budget_bytes) {
  if (status_ == Status::Finished) return false;
  const bool had_unsent = !unsent_.empty();
  if (!flush(sink)) return had_unsent;
  std::size_t read_bytes = 0;
  while (read_bytes < budget_bytes) {
    const ssize_t received = receive_some(source, buffer);
    if (received <= 0) break;
    read_bytes += static_cast<std::size_t>(received);
    const ssize_t sent = send_some(sink, buffer.first(static_cast<std::size_t>(received)));
    if (sent > 0) bytes_ += static_cast<std::uint64_t>(sent);
    if (sent != received) break;
  }
  return had_unsent || read_bytes > 0;
}

void Relay::remember(std::span<const std::byte> data) {
  if (opening_limit_ == 0) return;
  if (opening_.size() + data.size() > opening_limit_) return forget_opening();
  opening_.insert(opening_.end(), data.begin(), data.end());
}

Relay::Status Relay::fail(Status status, int error) {
  error_ = error;
  return status_ = status;
}

bool Relay::flush(int sink) {
  while (sent_of_unsent_ < unsent_.size()) {
    const ssize_t sent = send_some(sink, unsent());
    if (!did_send(sent)) return false;
    sent_of_unsent_ += static_cast<std::size_t>(sent);
  }
  if (!unsent_.empty()) {
    std::vector<std::byte>().swap(unsent_);
    sent_of_unsent_ = 0;
  }
  return true;
}

// `sent`: bytes, or -errno.
bool Relay::did_send(ssize_t sent) {
  if (sent >= 0) {
    bytes_ += static_cast<std::uint64_t>(sent);
    return true;
  }
  if (sent == -EAGAIN) {
    status_ = Status::AwaitsSink;
  } else {
    fail(Status::SinkFailed, static_cast<int>(-sent));
  }
  return false;
}

bool Relay::did_move(const Pipe::Move& move, int sink) {
  bytes_ += move.sent;
  if (move.sink_error == 0) return true;
  return move.sink_error == EAGAIN ? flush(sink) : did_send(-move.sink_error);
}

Relay::Status Relay::finish(int sink) {
  // ENOTCONN: the sink was reset or lost meanwhile.
  if (shutdown(sink, SHUT_WR) != 0) return fail(Status::SinkFailed, errno);
  return status_ = Status::Finished;
}

}  // namespace vipward
