// One direction of a session: reads from one socket, writes to the other, passes the end on. Used twice per
// session. Backpressure: while bytes wait for the sink, nothing is read from the source. It owns memory only
// then. What comes in small pieces is copied through the worker's buffer, what comes in bulk goes through the
// worker's pipe. Worker thread.
//
// Edge-triggered: advance() goes on until the sockets are exhausted or the turn's budget is used up. A read
// that gets less than it asked for has exhausted its source (epoll(7)), as long as epoll has told of nothing
// that comes after the bytes: of that expect_end() tells.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lb/proxy/pipe.h"

namespace vipward {

class Relay {
 public:
  enum class Status : std::uint8_t {
    AwaitsSource,  // everything passed on, the source has nothing more
    AwaitsSink,    // bytes wait until the sink is writable
    BudgetUsed,    // more to do, but others come first: call again next turn
    Finished,      // the source ended and its end was passed on
    EndedEmpty,  // it ended before its first byte, and hold_empty_end() was asked for: nothing was passed on
    SourceFailed,  // see error()
    SinkFailed,
  };

  // The worker's, shared by all its relays.
  struct Means {
    std::span<std::byte> buffer;
    Pipe& pipe;
  };
  // What may be moved until others have their turn, about.
  struct Budget {
    std::size_t copied_bytes = 0;
    std::size_t spliced_bytes = 0;
  };

  Status advance(int source, int sink, const Means& means, Budget budget);
  // Bytes come fast and in large pieces. Such a direction can wait until small messages have been passed on:
  // defer() makes it BudgetUsed without a move.
  bool is_in_bulk() const;
  void defer() { status_ = Status::BudgetUsed; }
  // Epoll has told of an end (EPOLLRDHUP), an error or an urgent byte of the source's (EPOLLPRI, at which
  // recv(2) stops short): from now on only EAGAIN says that there is nothing to be read.
  void expect_end() { expects_end_ = true; }

  // Keeps a copy of the first bytes, at most `limit_bytes`, so that they can be said again to another sink.
  void keep_opening(std::size_t limit_bytes) { opening_limit_ = limit_bytes; }
  void forget_opening();
  // Everything read so far; empty if it was more than the limit, or the source has ended.
  std::span<const std::byte> opening() const;
  // Back to the state before the first byte was passed on: the opening goes to the next sink first.
  void rewind();

  // An end before the first byte is not passed on by itself; pass_empty_end() lets the next advance() do it.
  void hold_empty_end() { holds_empty_end_ = true; }
  void pass_empty_end() { holds_empty_end_ = false; }

  // Passes on what a source has said whose socket failed when it was written to, but no end: best effort, at
  // most `budget_bytes`, what the sink does not take at once is lost. Whether there was anything.
  bool salvage(int source, int sink, std::span<std::byte> buffer, std::size_t budget_bytes);

  // Everything it holds, as a value: a relay in another process goes on from it. Not of one that has failed.
  struct State {
    std::vector<std::byte> unsent{};
    std::vector<std::byte> opening{};
    std::uint64_t bytes = 0;
    std::uint32_t opening_limit = 0;
    bool holds_empty_end = false;
    bool source_ended = false;
    bool finished = false;
    bool operator==(const State&) const = default;
  };
  State save() const;
  // What it had waited for, the next advance() finds out anew.
  static Relay restored(State state);

  Status status() const { return status_; }
  // Nothing has come from the source yet, no end either that was passed on.
  bool is_untouched() const { return bytes_ == 0 && unsent_.empty() && status_ != Status::Finished; }
  bool is_finished() const { return status_ == Status::Finished; }
  int error() const { return error_; }            // errno, after a failure
  std::uint64_t bytes() const { return bytes_; }  // passed on to the sink
  std::span<const std::byte> unsent() const { return std::span(unsent_).subspan(sent_of_unsent_); }

 private:
  bool pass_on(int sink, std::span<const std::byte> data);
  void remember(std::span<const std::byte> data);
  Status fail(Status status, int error);
  // These: false if the sink takes no more now, or failed (status_ says which).
  bool flush(int sink);
  bool did_send(ssize_t sent);
  bool did_move(const Pipe::Move& move, int sink);
  Status finish(int sink);

  std::vector<std::byte> unsent_;  // empty but for a sink that is full
  std::size_t sent_of_unsent_ = 0;
  std::uint64_t bytes_ = 0;
  std::vector<std::byte> opening_;
  std::size_t opening_limit_ = 0;  // 0: nothing is kept
  bool holds_empty_end_ = false;
  bool source_ended_ = false;
  bool expects_end_ = false;
  std::uint8_t large_reads_ = 0;  // in a row, no further than it matters
  Status status_ = Status::AwaitsSource;
  int error_ = 0;
};

}  // namespace vipward
