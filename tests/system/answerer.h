// A master's port as small as can be: every byte that arrives is answered with the address of the host that
// brought it, "10.77.0.21\n", so that a client behind a load balancer sees which one served it. Owns one
// thread, which serves any number of connections; listens from construction on.
#pragma once

#include <atomic>
#include <map>
#include <string>
#include <thread>

#include "tests/support/network.h"

namespace vipward::test {

class Answerer {
 public:
  Answerer(const Host& host, std::uint16_t port);
  ~Answerer();
  Answerer(const Answerer&) = delete;
  Answerer& operator=(const Answerer&) = delete;

 private:
  struct Connection {
    Fd socket;
    std::string answer;
  };

  void run();
  void accept_all();
  void serve(int fd);

  Fd listener_;
  Fd epoll_;
  std::map<int, Connection> connections_;  // the thread's
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace vipward::test
