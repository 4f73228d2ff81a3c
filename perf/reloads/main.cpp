// perf/reload: sessions of every kind through a row of reloads, for each contender, and the tables.
// The rig of held_vip is the system tests', which say with doctest what goes wrong; this program has its own
// main.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <thread>

#include "perf/contenders/contender.h"
#include "perf/figures.h"
#include "perf/provenance.h"
#include "perf/reloads/held_vip.h"
#include "perf/reloads/late_sessions.h"
#include "perf/reloads/report.h"
#include "tests/support/prober.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/traffic.h"

namespace vipward::perf {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

struct Options : Workload {
  std::vector<std::string> contenders{"vipward", "haproxy", "nginx"};
  std::string output{};
  std::string logs{};
  bool is_whole() const {
    return sessions >= 5000 && bulk >= 50 && request >= 500 && reloads >= 20 && upgrades >= 5 &&
           contenders.size() == 3;
  }
};

// What a reload disturbs has shown itself by then.
constexpr auto kSettle = 500ms;
// vipward's keepalive.idle, over which idle sessions are spread.
constexpr auto kSpread = 10s;

void reload_once(Contender& contender, test::TrafficClients& clients, LateSessions& late, bool with_binary,
                 Result& result) {
  clients.take_longest_stall();
  const auto began = Clock::now();
  if (with_binary) {
    if (!contender.upgrade()) return;
    ++result.upgrades;
  } else {
    contender.reload();
  }
  result.reloads_ms.push_back(in_ms(Clock::now() - began));
  std::this_thread::sleep_for(kSettle);
  result.stalls_ms.push_back(in_ms(clients.take_longest_stall()));
  late.open(kLate);
  const auto tally = clients.tally();
  std::cerr << contender.name() << (with_binary ? ": upgrade in " : ": reload in ")
            << number(result.reloads_ms.back()) << " ms, longest stall " << number(result.stalls_ms.back())
            << " ms, " << tally.ended() << " sessions ended" << std::endl;
}

Result measure(const std::string& name, const Options& options) {
  Result result;
  result.contender = name;
  test::TrafficBackend first(*SocketAddress::parse("127.0.0.1:0"));
  test::TrafficBackend second(*SocketAddress::parse("127.0.0.1:0"));
  const auto contender = make_contender(name, {first.address(), second.address()});
  test::TrafficClients clients({.target = contender->address(),
                                .bulk = options.bulk,
                                .request = options.request,
                                .idle = options.sessions - options.bulk - options.request});
  clients.spread(kSpread);
  for (int i = 0; i < 5; ++i) {
    clients.take_longest_stall();
    std::this_thread::sleep_for(1s);
    result.baseline_ms.push_back(in_ms(clients.take_longest_stall()));
  }
  result.before = contender->footprint();
  LateSessions late(contender->address());
  {
    test::Prober prober({.target = contender->address(), .limit = 1s});
    for (unsigned i = 0; i < options.reloads; ++i) reload_once(*contender, clients, late, false, result);
    for (unsigned i = 0; i < options.upgrades; ++i) reload_once(*contender, clients, late, true, result);
    prober.stop();
    result.probes = prober.answered();
    result.failed = prober.failures().size();
    result.failed_probes = prober.failures_by_kind();
    result.longest_gap_ms = in_ms(prober.longest_gap());
  }
  std::this_thread::sleep_for(1s);
  result.stuck = clients.count_stuck(10s);
  result.late = late.size();
  result.late_lost = late.count_lost();
  result.sessions = clients.tally();
  result.corrupt_at_backend = first.corrupt() + second.corrupt();
  result.after = contender->footprint();
  if (!options.logs.empty()) test::write_file(options.logs + "/" + name + ".log", contender->log());
  return result;
}

int run(const Options& options, const std::string& command_line) {
  std::string text = heading(command_line, options) + table_head();
  std::cout << text << std::flush;
  bool all_met = true;
  for (const std::string& name : options.contenders) {
    Result result;
    try {
      result = measure(name, options);
    } catch (const std::exception& error) {
      std::cerr << name << ": " << error.what() << std::endl;
      const std::string what = error.what();
      result = {};
      result.contender = name;
      result.failure = "could not be measured: " + what.substr(0, what.find('\n'));
    }
    all_met = all_met && result.failure.empty() && (name != "vipward" || misses(result).empty());
    text += row(result);
    std::cout << row(result) << std::flush;
  }
  if (std::ranges::find(options.contenders, "vipward") != options.contenders.end()) {
    const HeldVip held = measure_held_vip(options);
    all_met = all_met && misses(held).empty();
    text += table_of(held);
    std::cout << table_of(held) << std::flush;
  }
  text += bars();
  std::string output = options.output;
  if (output.empty() && options.is_whole())
    output = VIPWARD_SOURCE_DIR "/perf/results/" + utc_now("%Y-%m-%d") + "-reload.md";
  if (!output.empty()) {
    test::write_file(output, text);
    std::cerr << "written to " << output << std::endl;
  }
  return all_met ? 0 : 1;
}

}  // namespace
}  // namespace vipward::perf

int main(int argc, char** argv) {
  using namespace vipward::perf;
  Options options;
  CLI::App app("Measures reloads, vipward beside HAProxy and nginx.", "perf/reload");
  app.add_option("--sessions", options.sessions, "of all kinds")
      ->check(CLI::Range(1, 9000))
      ->capture_default_str();
  app.add_option("--bulk", options.bulk, "of them moving data")->capture_default_str();
  app.add_option("--request", options.request, "of them asking and answering")->capture_default_str();
  app.add_option("--reloads", options.reloads, "in a row")->capture_default_str();
  app.add_option("--upgrades", options.upgrades, "after them, vipward alone")->capture_default_str();
  app.add_option("--contender", options.contenders, "only this one; may be repeated")
      ->check(CLI::IsMember({"vipward", "haproxy", "nginx"}));
  app.add_option("--output", options.output, "file for the table; a whole run has one in perf/results");
  app.add_option("--logs", options.logs, "folder for what each of them has said")
      ->check(CLI::ExistingDirectory);
  CLI11_PARSE(app, argc, argv);
  if (options.bulk + options.request > options.sessions) {
    std::cerr << "perf/reload: more bulk and request sessions than sessions" << std::endl;
    return 2;
  }
  std::string command_line = "perf/reload";
  for (int i = 1; i < argc; ++i) command_line += std::string(" ") + argv[i];
  return run(options, command_line);
}
