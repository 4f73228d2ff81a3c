#include <ostream>

#include "lb/cli/commands.h"
#include "lb/version.h"

namespace vipward {

int run_version(Output output) {
  output.out << "vipward " << version();
  if (!revision().empty()) output.out << " (" << revision() << ')';
  output.out << '\n';
  return kExitOk;
}

}  // namespace vipward
