// The guardian's end of the channel, on a thread of its own: says what the test wants, keeps what it hears,
// passes the connections of a control socket on. Any thread may ask.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "lb/channel/endpoint.h"
#include "lb/event/poll.h"

namespace vipward::test {

class TestGuardian {
 public:
  TestGuardian(Fd channel, Fd control_listener);
  ~TestGuardian();
  TestGuardian(const TestGuardian&) = delete;
  TestGuardian& operator=(const TestGuardian&) = delete;

  void send(channel::ToProxy message);
  // The channel closes, as when the guardian dies.
  void go();

  template <class Message>
  std::vector<Message> heard() const {
    const std::lock_guard lock(mutex_);
    std::vector<Message> result;
    for (const channel::ToGuardian& message : heard_) {
      if (const auto* of_kind = std::get_if<Message>(&message)) result.push_back(*of_kind);
    }
    return result;
  }

 private:
  void on_message(channel::ToGuardian message);
  void pass_connections();

  Loop loop_;
  mutable std::mutex mutex_;
  std::vector<channel::ToGuardian> heard_;  // guarded by mutex_
  Fd control_listener_;
  std::unique_ptr<channel::GuardianEnd> end_;
  std::unique_ptr<Poll> control_;
  std::thread thread_;
};

}  // namespace vipward::test
