// perf/reload: sessions of every kind through a row of reloads, for each contender, and the tables.
// The rig of held_vip is the system tests', which say with doctest what goes wrong; this program has its own
// main.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <sys/utsname.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <thread>

#include "perf/reloads/contender.h"
#include "perf/reloads/figures.h"
#include "perf/reloads/held_vip.h"
#include "tests/support/prober.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/traffic.h"

namespace vipward::perf {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

struct Options {
  unsigned sessions = 5000;
  unsigned bulk = 50;
  unsigned request = 500;
  unsigned reloads = 20;
  unsigned upgrades = 5;
  std::vector<std::string> contenders{"vipward", "haproxy", "nginx"};
  std::string output{};
  std::string logs{};
  bool is_whole() const {
    return sessions >= 5000 && bulk >= 50 && request >= 500 && reloads >= 20 && upgrades >= 5 &&
           contenders.size() == 3;
  }
};

struct Result {
  std::string contender;
  std::string failure;
  test::TrafficClients::Tally sessions;
  std::uint32_t corrupt_at_backend = 0;
  unsigned stuck = 0;
  std::vector<double> baseline_ms;  // the longest stall of a second without a reload
  std::vector<double> stalls_ms;    // the longest stall around each reload
  std::vector<double> reloads_ms;
  unsigned upgrades = 0;
  std::uint64_t probes = 0;
  std::string failed_probes = "none";
  std::size_t failed = 0;
  Footprint before;
  Footprint after;
};

// What a reload disturbs has shown itself by then.
constexpr auto kSettle = 500ms;
// vipward's keepalive.idle, over which idle sessions are spread.
constexpr auto kSpread = 10s;

void reload_once(Contender& contender, test::TrafficClients& clients, bool with_binary, Result& result) {
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
  {
    test::Prober prober({.target = contender->address(), .limit = 1s});
    for (unsigned i = 0; i < options.reloads; ++i) reload_once(*contender, clients, false, result);
    for (unsigned i = 0; i < options.upgrades; ++i) reload_once(*contender, clients, true, result);
    prober.stop();
    result.probes = prober.answered();
    result.failed = prober.failures().size();
    result.failed_probes = prober.failures_by_kind();
  }
  std::this_thread::sleep_for(1s);
  result.stuck = clients.count_stuck(10s);
  result.sessions = clients.tally();
  result.corrupt_at_backend = first.corrupt() + second.corrupt();
  result.after = contender->footprint();
  if (!options.logs.empty()) test::write_file(options.logs + "/" + name + ".log", contender->log());
  return result;
}

// Why a result of vipward's misses what is asked of it; empty: nothing.
std::string misses(const Result& result) {
  std::string text;
  const auto add = [&](bool missed, const std::string& what) {
    if (missed) text += (text.empty() ? "" : ", ") + what;
  };
  add(result.sessions.ended() > 0 || result.corrupt_at_backend > 0, "sessions lost");
  add(result.stuck > 0, "sessions stuck");
  add(most_of(result.stalls_ms) > 150, "stall over 150 ms");
  add(result.failed > 0, "new requests failed");
  add(static_cast<double>(result.after.memory_kib) > 1.1 * static_cast<double>(result.before.memory_kib),
      "memory grew by more than a tenth");
  add(result.after.descriptors > result.before.descriptors + 4, "descriptors grew");
  add(result.after.processes > result.before.processes, "old processes left");
  return text;
}

std::string row(const Result& result) {
  if (!result.failure.empty()) return "| " + result.contender + " | " + result.failure + " |\n";
  const auto& sessions = result.sessions;
  const bool is_ours = result.contender == "vipward";
  const std::string missed = misses(result);
  return "| " + result.contender + " | " + std::to_string(result.reloads_ms.size() - result.upgrades) +
         " + " + std::to_string(result.upgrades) + " | " + std::to_string(sessions.ended()) + " | " +
         std::to_string(sessions.corrupt + result.corrupt_at_backend) + " | " + std::to_string(result.stuck) +
         " | " + median_and_most(result.stalls_ms) + " | " + number(median_of(result.baseline_ms)) + " / " +
         number(most_of(result.baseline_ms)) + " | " + number(median_of(result.reloads_ms), 0) + " | " +
         std::to_string(result.failed) + " of " + std::to_string(result.probes + result.failed) + " (" +
         result.failed_probes + ") | " + std::to_string(result.before.processes) + " -> " +
         std::to_string(result.after.processes) + " | " +
         number(static_cast<double>(result.before.memory_kib) / 1024) + " -> " +
         number(static_cast<double>(result.after.memory_kib) / 1024) + " | " +
         std::to_string(result.before.descriptors) + " -> " + std::to_string(result.after.descriptors) +
         " | " + (is_ours ? (missed.empty() ? "yes" : missed) : "") + " |\n";
}

std::string first_line_of(std::vector<std::string> argv) {
  const test::CommandResult result = test::run_command(std::move(argv));
  const std::string text = result.standard_output + result.standard_error;
  return text.substr(0, text.find('\n'));
}

std::string utc_now(const char* format) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> date{};
  std::strftime(date.data(), date.size(), format, &parts);
  return date.data();
}

std::string heading(const std::string& command_line, const Options& options) {
  utsname system{};
  uname(&system);
  return "# Reload, " + utc_now("%Y-%m-%d %H:%M UTC") + "\n\n`" + command_line + "` at " +
         first_line_of({"git", "-C", VIPWARD_SOURCE_DIR, "describe", "--always", "--dirty"}) + ", on " +
         std::to_string(std::thread::hardware_concurrency()) + " cores, Linux " + system.release + "; " +
         first_line_of({"haproxy", "-v"}) + "; " + first_line_of({"nginx", "-v"}) + ".\n\n" +
         std::to_string(options.sessions) + " sessions over loopback, " + std::to_string(options.bulk) +
         " of them moving checksummed data both ways at full speed, " + std::to_string(options.request) +
         " asking for\nsomething every 10 ms, the rest idle, each since another moment; one worker each; "
         "clients, backends and "
         "contender share "
         "the cores.\nThen reloads, and for vipward upgrades, one after the other, the sessions staying "
         "open, with a "
         "new connection every 2 ms.\nStall: the longest time that any session got nothing it was waiting "
         "for, median "
         "of the reloads / worst, in ms; the same per second\nwithout a reload beside it. Reload: until the "
         "new "
         "configuration serves, median, in ms. Memory: Pss of all its processes, MiB.\n\n"
         "| contender | reloads + upgrades | sessions lost | corrupt | stuck | stall | without reload | "
         "reload | "
         "new connections failed | processes | memory | descriptors | bars met |\n"
         "|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";
}

int run(const Options& options, const std::string& command_line) {
  std::string text = heading(command_line, options);
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
    const HeldVip held = measure_held_vip({.sessions = options.sessions,
                                           .bulk = options.bulk,
                                           .request = options.request,
                                           .reloads = options.reloads,
                                           .upgrades = options.upgrades});
    all_met = all_met && misses(held).empty();
    text += table_of(held);
    std::cout << table_of(held) << std::flush;
  }
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
