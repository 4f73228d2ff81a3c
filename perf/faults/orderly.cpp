// The VIP is given up on purpose.
#include <signal.h>

#include "perf/faults/fault.h"

namespace vipward::perf {

using namespace std::chrono_literals;

std::optional<Outcome> release(const Pairing& pairing) {
  Trial trial({.pairing = pairing});
  trial.begin();
  if (!trial.holder().release()) return std::nullopt;
  trial.let_pass(1s);
  return trial.finish();
}

std::optional<Outcome> terminate(const Pairing& pairing) {
  Trial trial({.pairing = pairing});
  trial.begin();
  trial.holder().signal_keeper(SIGTERM);
  trial.let_pass(1s);
  return trial.finish();
}

}  // namespace vipward::perf
