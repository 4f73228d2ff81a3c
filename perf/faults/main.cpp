// perf/failover: what the options ask for, round by round, and the exit code.
// The rig is the system tests', which say with doctest what goes wrong; this program has its own main.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <set>

#include "perf/faults/report.h"
#include "tests/support/temp_dir.h"

namespace vipward::perf {
namespace {

struct Options {
  unsigned rounds = 5;
  std::set<std::string> faults{};      // empty: all
  std::set<std::string> contenders{};  // empty: both
  std::set<std::string> transports{};  // empty: all
  bool with_long = false;
  std::string output{};

  // Fit to be kept.
  bool is_whole() const { return faults.empty() && contenders.empty() && transports.empty() && rounds >= 5; }
};

std::vector<std::string> fault_names() {
  std::vector<std::string> names;
  for (const Fault& fault : all_faults()) names.emplace_back(fault.name);
  return names;
}

std::vector<std::string> transport_names() {
  std::vector<std::string> names;
  for (const test::Transport transport : test::kTransports) names.emplace_back(to_string(transport));
  return names;
}

std::string default_output() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 16> date;
  std::strftime(date.data(), date.size(), "%Y-%m-%d", &parts);
  return std::string(VIPWARD_SOURCE_DIR "/perf/results/") + date.data() + "-failover.md";
}

// Every round of one fault for one contender; what ends it early is kept as the failure.
Series measure(const Fault& fault, const Pairing& pairing, unsigned rounds) {
  Series series{.transport = pairing.transport};
  const std::string subject = std::string(fault.name) + " " + std::string(to_string(pairing.contender)) +
                              " " + std::string(to_string(pairing.transport)) + ": ";
  for (unsigned i = 0; i < rounds; ++i) {
    try {
      auto outcome = fault.run(pairing);
      if (!outcome) return series;
      std::cerr << subject << in_ms(outcome->gap) << ", " << to_string(outcome->clients) << ", "
                << outcome->switchovers << " switchovers, " << outcome->releases << " releases; "
                << outcome->note << std::endl;
      series.rounds.push_back(std::move(*outcome));
    } catch (const std::exception& error) {
      std::cerr << subject << error.what() << std::endl;
      const std::string text = error.what();
      series.failure = "could not be measured: " + text.substr(0, text.find('\n'));
      return series;
    }
  }
  return series;
}

Row measure_row(const Fault& fault, test::Contender contender, const Options& options) {
  Row row{.fault = &fault, .contender = contender};
  for (const test::Transport transport : test::kTransports) {
    const bool is_wanted =
        options.transports.empty() || options.transports.contains(std::string(to_string(transport)));
    if (!is_wanted || (transport != test::kTransports.front() && !fault.by_every_transport)) continue;
    row.series.push_back(
        measure(fault, {.contender = contender, .transport = transport}, fault.is_long ? 1 : options.rounds));
  }
  return row;
}

int run(const Options& options, const std::string& command_line) {
  std::string text = heading(command_line, options.rounds) + table_head();
  std::cout << text << std::flush;
  bool all_met = true;
  for (const Fault& fault : all_faults()) {
    const bool is_named = options.faults.contains(std::string(fault.name));
    if (!options.faults.empty() && !is_named) continue;
    if (fault.is_long && !options.with_long && !is_named) continue;
    for (const auto contender : {test::Contender::Vipward, test::Contender::Keepalived}) {
      if (!options.contenders.empty() && !options.contenders.contains(std::string(to_string(contender))))
        continue;
      const Row row = measure_row(fault, contender, options);
      if (row.series.empty()) continue;  // by unicast alone, which was not asked for
      all_met = all_met && misses(row).empty() &&
                std::ranges::all_of(row.series, [](const Series& series) { return series.failure.empty(); });
      text += table_row(row);
      std::cout << table_row(row) << std::flush;
    }
  }
  const std::string output = options.output.empty() && options.is_whole() ? default_output() : options.output;
  if (!output.empty()) {
    const auto folder = std::filesystem::path(output).parent_path();
    if (!folder.empty()) std::filesystem::create_directories(folder);
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
  CLI::App app("Measures failover, vipward beside HAProxy + keepalived. Needs root.", "perf/failover");
  app.add_option("--rounds", options.rounds, "of each fault")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--fault", options.faults, "only this one; may be repeated")
      ->check(CLI::IsMember(fault_names()));
  app.add_option("--contender", options.contenders, "only this one")
      ->check(CLI::IsMember({"vipward", "keepalived"}));
  app.add_option("--transport", options.transports, "only this one; may be repeated")
      ->check(CLI::IsMember(transport_names()));
  app.add_flag("--long", options.with_long, "also what takes a minute");
  app.add_option("--output", options.output, "file for the table; a whole run has one in perf/results");
  CLI11_PARSE(app, argc, argv);
  std::string command_line = "perf/failover";
  for (int i = 1; i < argc; ++i) command_line += std::string(" ") + argv[i];
  try {
    return run(options, command_line);
  } catch (const std::exception& error) {
    std::cerr << "perf/failover: " << error.what() << std::endl;
    return 1;
  }
}
