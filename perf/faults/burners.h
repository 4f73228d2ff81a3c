// Processes that take all the CPU they get, until the object goes.
#pragma once

#include <vector>

#include "tests/support/process.h"

namespace vipward::perf {

class Burners {
 public:
  explicit Burners(unsigned count);

 private:
  std::vector<test::Process> processes_;
};

}  // namespace vipward::perf
