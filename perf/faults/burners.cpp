#include "perf/faults/burners.h"

namespace vipward::perf {

Burners::Burners(unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    processes_.emplace_back(std::vector<std::string>{"sh", "-c", "while :; do :; done"});
  }
}

}  // namespace vipward::perf
