// A relay that is wrong at one byte of one connection: what a test's instruments must find. Owns one thread;
// listens on loopback from construction on.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "lb/net/address.h"
#include "lb/net/fd.h"

namespace vipward::test {

struct RelayFault {
  // Swap: with the byte before. Hang: nothing more is passed on in that direction. Close: both ends, in
  // order.
  enum class Kind : std::uint8_t { Drop, Double, Swap, Stall, Hang, Reset, Close };
  Kind kind = Kind::Drop;
  unsigned connection = 0;  // in the order of their arrival
  bool to_backend = false;  // the direction it happens in
  std::uint64_t at_byte = 0;
  std::chrono::milliseconds pause{0};  // of Stall
};

class FaultyRelay {
 public:
  FaultyRelay(const SocketAddress& backend, std::optional<RelayFault> fault);
  ~FaultyRelay();
  FaultyRelay(const FaultyRelay&) = delete;
  FaultyRelay& operator=(const FaultyRelay&) = delete;

  SocketAddress address() const { return SocketAddress::local_of(listener_.get()); }
  // The fault has happened.
  bool has_failed() const { return has_failed_; }

 private:
  struct Direction {
    int from = -1;  // -1: nothing more
    int to = -1;
    bool to_backend = false;
    std::uint64_t passed = 0;  // bytes that came
    std::chrono::steady_clock::time_point not_before{};
  };
  struct Connection {
    Fd client;
    Fd backend;
    unsigned number = 0;
    Direction directions[2];
  };

  void run();
  void accept_one();
  void pass_on(Connection& connection, Direction& direction);
  // Does to `bytes`, which begin at `direction.passed`, what the fault says.
  void spoil(Connection& connection, Direction& direction, std::vector<char>& bytes);

  SocketAddress backend_;
  std::optional<RelayFault> fault_;
  Fd listener_;
  unsigned accepted_ = 0;
  std::vector<std::unique_ptr<Connection>> connections_;  // the thread's
  std::atomic<bool> has_failed_{false};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace vipward::test
