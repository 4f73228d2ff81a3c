// Processes that are killed.
#include <signal.h>

#include <algorithm>

#include "perf/faults/fault.h"
#include "tests/support/wait.h"
#include "tests/system/crash_loop.h"

namespace vipward::perf {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace {

std::optional<Outcome> kill_proxy_with(const Trial::Options& options) {
  Trial trial(options);
  trial.begin();
  trial.holder().signal_proxy(SIGKILL);
  trial.let_pass(2s);
  return trial.finish();
}

// Who serves a client that has just forgotten where the VIP is: four times, as in the reference measurement.
void flush_and_ask(Trial& trial, Outcome& outcome) {
  constexpr int kFlushes = 4;
  int reached = 0;
  for (int i = 0; i < kFlushes; ++i) {
    trial.pair().client().forget_neighbour(trial.pair().vip());
    if (trial.pair().served_by() == trial.standby().host().address().to_string()) ++reached;
  }
  outcome.note += "; " + std::to_string(reached) + " of 4 flushes reached the new holder";
  if (reached < kFlushes)
    outcome.complaints.emplace_back("a client that flushed its cache went to the dead host");
}

}  // namespace

std::optional<Outcome> kill_proxy(const Pairing& pairing) {
  return kill_proxy_with({.pairing = pairing});
}

std::optional<Outcome> kill_proxy_alone(const Pairing& pairing) {
  return kill_proxy_with({.pairing = pairing, .with_peer = false});
}

std::optional<Outcome> kill_keeper(const Pairing& pairing) {
  Trial trial({.pairing = pairing});
  const std::vector<pid_t> proxies = trial.holder().proxy_pids();
  trial.begin();
  trial.holder().signal_keeper(SIGKILL);
  trial.let_pass(2s);
  Outcome outcome = trial.finish();
  const bool are_gone = std::ranges::all_of(proxies, test::is_process_gone);
  outcome.note = are_gone ? "proxy exited" : "proxy lives on";
  outcome.note += ", VIP on " + trial.pair().holders_text();
  if (!are_gone) outcome.complaints.emplace_back("the proxy did not exit");
  return outcome;
}

std::optional<Outcome> kill_everything(const Pairing& pairing) {
  // address_lifetime: auto is a second for adverts of 100 ms.
  constexpr milliseconds kLifetime = 1s;
  Trial trial({.pairing = pairing, .is_holder_stronger = true});
  trial.begin();
  trial.holder().signal_everything(SIGKILL);
  const bool is_gone = test::wait_until([&] { return !trial.holder().holds_vip(); }, 5s, 5ms);
  const milliseconds gone_after = trial.since_begin();
  trial.let_pass(2s);
  Outcome outcome = trial.finish();
  if (is_gone)
    outcome.figures.emplace_back("ms until the VIP was gone from the dead host", gone_after.count());
  outcome.note = "VIP on " + trial.pair().holders_text();
  if (!is_gone || gone_after > kLifetime + 400ms) {
    outcome.complaints.emplace_back("the dead host kept the VIP longer than its lifetime + 0.4 s");
  }
  flush_and_ask(trial, outcome);
  return outcome;
}

std::optional<Outcome> crash_loop(const Pairing& pairing) {
  Trial trial({.pairing = pairing});
  test::CrashLoop loop({&trial.holder(), &trial.standby()}, 300ms);
  trial.begin();
  loop.run_for(20s);
  Outcome outcome = trial.finish();
  const std::uint64_t answered = trial.prober().answered();
  outcome.note =
      std::to_string(100 * answered / (answered + trial.prober().failures().size())) + " % answered";
  // It may end between two crashes.
  outcome.is_dark = false;
  return outcome;
}

}  // namespace vipward::perf
