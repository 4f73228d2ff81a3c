// Processes that stand still, or hardly get to run.
#include <signal.h>

#include <algorithm>

#include "perf/faults/burners.h"
#include "perf/faults/fault.h"
#include "tests/support/wait.h"

namespace vipward::perf {

using namespace std::chrono_literals;

namespace {

// What the host that was frozen says although another one has taken over: it should listen.
void listen_for_the_resumed(Trial& trial, test::FrameTime resumed, Outcome& outcome) {
  const test::Host& host = trial.holder().host();
  const auto said = trial.pair().sniffer().advertisements_of(host, resumed).size();
  const test::Sniffer& sniffer = trial.pair().sniffer();
  const IpAddress vip = trial.pair().vip();
  const std::size_t announced = vip.is_v4() ? sniffer.claims_of(host, vip, resumed).size()
                                            : sniffer.neighbour_claims_of(host, vip, resumed).size();
  outcome.figures.emplace_back("adverts of the frozen host after SIGCONT", said);
  outcome.figures.emplace_back("announcements of it", announced);
  if (said > 0) outcome.complaints.emplace_back("the resumed host advertised");
  if (announced > 0) outcome.complaints.emplace_back("the resumed host announced the VIP");
}

}  // namespace

std::optional<Outcome> stop_proxy(const Pairing& pairing) {
  Trial trial({.pairing = pairing});
  const std::vector<pid_t> stopped = trial.holder().proxy_pids();
  trial.begin();
  trial.holder().signal_proxy(SIGSTOP);
  trial.let_pass(3s);
  Outcome outcome = trial.finish();
  if (!std::ranges::all_of(stopped, test::is_process_gone)) outcome.note = "never noticed";
  return outcome;
}

std::optional<Outcome> stop_everything(const Pairing& pairing) {
  constexpr unsigned kSessions = 10;
  Trial trial({.pairing = pairing, .is_holder_stronger = true});
  trial.begin();
  trial.holder().signal_everything(SIGSTOP);
  // The pids of the frozen are found again: a stopped process keeps its children.
  const bool taken = trial.pair().wait_until_served_by(trial.standby(), 2900ms);
  std::unique_ptr<test::EstablishedClients> on_the_new_holder;
  if (taken) on_the_new_holder = trial.pair().connect_clients(kSessions, 0);
  trial.let_pass(3s);
  const test::FrameTime resumed = test::FrameClock::now();
  trial.holder().signal_everything(SIGCONT);
  trial.let_pass(5s);
  Outcome outcome = trial.finish();
  listen_for_the_resumed(trial, resumed, outcome);
  if (!on_the_new_holder) {
    outcome.complaints.emplace_back("the peer did not take over");
  } else {
    const unsigned cut = kSessions - on_the_new_holder->ask_again(1s);
    outcome.figures.emplace_back("of 10 sessions of the new holder cut", cut);
    if (cut > 0) outcome.complaints.emplace_back("sessions of the new holder were cut");
  }
  if (trial.pair().holders() != 1) outcome.complaints.emplace_back("VIP on: " + trial.pair().holders_text());
  return outcome;
}

std::optional<Outcome> saturate(const Pairing& pairing) {
  Trial trial({.pairing = pairing});
  const Burners burners(16);
  trial.begin();
  trial.let_pass(60s);
  return trial.finish();
}

}  // namespace vipward::perf
