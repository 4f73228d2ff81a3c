#include <ostream>

#include "lb/cli/commands.h"
#include "lb/version.h"

namespace vipward {

int run_version(Output output) {
  output.out << "vipward " << full_version() << '\n';
  return kExitOk;
}

}  // namespace vipward
