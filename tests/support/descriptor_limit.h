// How many descriptors a process may have open (RLIMIT_NOFILE), and how many of a user's may be in flight:
// sent, and not received yet (unix(7), ETOOMANYREFS). Any thread.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <string>

#include "lb/net/fd.h"

namespace vipward::test {

// A soft limit under which the process can open so many more than it has now. Numbers that are free between
// others count, too.
rlim_t limit_with_room(pid_t pid, std::size_t room);
// The soft limit of this process, or of another one. More than the hard one is the hard one. False: the
// kernel refuses. Another user's needs CAP_SYS_RESOURCE, which a container's root has not: it is done as that
// user (prlimit(2)).
bool set_descriptor_limit(rlim_t soft);
bool set_descriptor_limit(pid_t pid, rlim_t soft);

// `task` in a child that is nobody: what is wrong, or an empty string. It may throw. It has a minute.
std::string problem_as_nobody(const std::function<std::string()>& task);

// Whether this process may pass one more descriptor. Root always may. Made beforehand: it needs two itself.
class PassingProbe {
 public:
  // Throws if there is no socket pair.
  PassingProbe();
  bool is_refused() const;

 private:
  Fd one_;
  Fd other_;
};

}  // namespace vipward::test
