// One direction of a session: reads from one socket, writes to the other, passes the end on. Used twice per
// session. Backpressure: while bytes wait for the sink, nothing is read from the source. It owns memory only
// then. Edge-triggered: advance() goes on until a socket says EAGAIN or the turn's budget is used up. Worker
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vipward {

class Relay {
 public:
  enum class Status : std::uint8_t {
    AwaitsSource,  // everything passed on, the source has nothing more
    AwaitsSink,    // bytes wait until the sink is writable
    BudgetUsed,    // more to do, but others come first: call again next turn
    Finished,      // the source ended and its end was passed on
    SourceFailed,  // see error()
    SinkFailed,
  };

  // `buffer` is the worker's, shared by all relays. At most about `budget_bytes` are read.
  Status advance(int source, int sink, std::span<std::byte> buffer, std::size_t budget_bytes);

  Status status() const { return status_; }
  bool is_finished() const { return status_ == Status::Finished; }
  int error() const { return error_; }            // errno, after a failure
  std::uint64_t bytes() const { return bytes_; }  // passed on to the sink
  std::span<const std::byte> unsent() const { return std::span(unsent_).subspan(sent_of_unsent_); }

 private:
  Status fail(Status status, int error);
  // False: the sink takes no more now, or failed (status_ says which).
  bool flush(int sink);
  Status finish(int sink);

  std::vector<std::byte> unsent_;  // empty but for a sink that is full
  std::size_t sent_of_unsent_ = 0;
  std::uint64_t bytes_ = 0;
  bool source_ended_ = false;
  Status status_ = Status::AwaitsSource;
  int error_ = 0;
};

}  // namespace vipward
