// Clients and backends in a process of their own: for crowds that would use up the descriptors of the test,
// and for a backend that is killed. Forked, so make it before any proxy: a child that held the proxy's
// sockets would keep them open. Killed and reaped when the object goes. One thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>

#include "lb/net/address.h"
#include "lb/net/fd.h"

namespace vipward::test {

// One end of the conversation between a test and its child: numbers, one at a time.
class NumberPipe {
 public:
  explicit NumberPipe(Fd socket);
  void put(std::uint64_t number);
  // Nothing: the other end is gone, or patience is over.
  std::optional<std::uint64_t> get();

 private:
  Fd socket_;
};

class PeerProcess {
 public:
  // `child` runs in the new process, which exits when it returns.
  explicit PeerProcess(const std::function<void(NumberPipe& test)>& child);
  ~PeerProcess();
  PeerProcess(const PeerProcess&) = delete;
  PeerProcess& operator=(const PeerProcess&) = delete;

  NumberPipe& pipe() { return *pipe_; }
  // Puts `number`, gets the answer.
  std::optional<std::uint64_t> ask(std::uint64_t number);
  // SIGKILL; its sockets are closed when this returns.
  void kill();

 private:
  pid_t pid_ = -1;
  std::optional<NumberPipe> pipe_;
};

}  // namespace vipward::test
