// The two processes of `vipward run` as the kernel shows them, and the generations that one of them has.
// Test's main thread.
#pragma once

#include <doctest/doctest.h>
#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/system/daemon.h"

namespace vipward::test {

// The one that serves; fails the test if there is not exactly one.
inline pid_t proxy_of(const Daemon& vipward) {
  const std::vector<pid_t> children = children_of(vipward.pid());
  REQUIRE(children.size() == 1);
  return children.front();
}

// By the metric; 0 while nobody answers.
unsigned generation_of(const Daemon& vipward);
bool wait_for_generation(const Daemon& vipward, unsigned generation,
                         std::chrono::milliseconds limit = std::chrono::seconds{10});

// What its open descriptors are, in their order: "socket:[4711]", "/memfd:vipward-vitals (deleted)".
struct OpenDescriptor {
  int number = -1;
  std::string target;
};
std::vector<OpenDescriptor> descriptors_of(pid_t pid);
// Until there are so many, as the guardian closes what a dead proxy's were a turn later.
bool wait_for_descriptors(pid_t pid, std::size_t count);

// A descriptor of another process, as if it were ours (pidfd_getfd(2)).
Fd descriptor_from(pid_t pid, int number);
// The only one with that target.
Fd descriptor_from(pid_t pid, const std::string& target);

}  // namespace vipward::test
