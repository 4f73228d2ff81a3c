// perf/run: every contender does every work, round by round, and the table, the samples and the charts.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <stdexcept>

#include "perf/data_path/report.h"
#include "perf/data_path/rig.h"
#include "perf/data_path/work.h"
#include "perf/figures.h"
#include "perf/provenance.h"
#include "tests/support/descriptor_limit.h"
#include "tests/support/temp_dir.h"

namespace vipward::perf {
namespace {

struct Options {
  std::vector<std::string> contenders{};  // empty: all, or what tells of `before`
  std::string before{};
  std::vector<std::string> works{};  // empty: all
  unsigned rounds = 15;
  double seconds = 3;
  unsigned idle_sessions = 5000;
  unsigned reconnecting = 8000;
  std::string output{};
  bool unjudged = false;

  bool is_whole() const {
    return works.empty() && rounds >= 15 && seconds >= 3 && idle_sessions >= 5000 && reconnecting >= 8000 &&
           contenders == kAll;
  }
  bool wants(const Work& work) const {
    return works.empty() || std::ranges::find(works, work.key) != works.end();
  }
};

void add(std::vector<Series>& all, const Work& work, const std::string& contender,
         const std::vector<double>& values) {
  for (std::size_t i = 0; i < work.figures.size(); ++i) {
    const Figure& figure = work.figures[i];
    auto found = std::ranges::find(all, figure.key, [](const Series& one) { return one.figure.key; });
    if (found == all.end()) found = all.insert(all.end(), Series{.figure = figure, .samples = {}});
    found->samples[contender].push_back(values.at(i));
  }
}

std::vector<std::string> common_of(const std::vector<std::string>& wanted,
                                   const std::vector<std::string>& able) {
  std::vector<std::string> both;
  std::ranges::copy_if(wanted, std::back_inserter(both), [&](const std::string& contender) {
    return std::ranges::find(able, contender) != able.end();
  });
  return both;
}

std::vector<Series> measure(const Options& options) {
  const Effort effort{.time = std::chrono::milliseconds(static_cast<long>(options.seconds * 1000)),
                      .idle_sessions = options.idle_sessions,
                      .reconnecting = options.reconnecting};
  Rig rig(options.contenders, options.before);
  std::vector<Series> all;
  for (const Work& work : all_works(effort)) {
    if (!options.wants(work)) continue;
    const auto contenders =
        work.contenders.empty() ? options.contenders : common_of(options.contenders, work.contenders);
    if (contenders.empty() && !options.works.empty())
      throw std::runtime_error(work.key + ": none of the contenders that were named does this");
    const unsigned rounds = std::min(work.rounds, options.rounds);
    for (unsigned round = 0; round < rounds; ++round) {
      std::cerr << work.key << ", round " << round + 1 << " of " << rounds << ":";
      for (std::size_t i = 0; i < contenders.size(); ++i) {
        // Each begins once in a while: who comes first finds the machine another one than who comes last.
        const std::string& contender = contenders[(i + round) % contenders.size()];
        const auto values = work.measure(rig, contender);
        add(all, work, contender, values);
        std::cerr << " " << contender << " " << number(values.front(), 2);
      }
      std::cerr << std::endl;
    }
  }
  return all;
}

void write(const std::string& folder, const std::string& origin, const std::vector<Series>& all) {
  std::filesystem::create_directories(folder);
  test::write_file(folder + "/table.md", table(origin, all));
  test::write_file(folder + "/samples.json", json(origin, all));
  for (const Series& series : all) test::write_file(folder + "/" + series.figure.key + ".svg", chart(series));
  std::cerr << "written to " << folder << std::endl;
}

int run(const Options& options, const std::string& command_line) {
  const std::string origin = provenance(command_line);  // of what begins now
  const std::vector<Series> all = measure(options);
  std::cout << table(origin, all) << std::flush;
  std::string folder = options.output;
  if (folder.empty() && options.is_whole())
    folder = VIPWARD_SOURCE_DIR "/perf/results/" + utc_now("%Y-%m-%d") + "-data-path";
  if (!folder.empty()) write(folder, origin, all);
  if (options.unjudged) return 0;
  return std::ranges::all_of(all, passes) ? 0 : 1;
}

}  // namespace
}  // namespace vipward::perf

int main(int argc, char** argv) {
  using namespace vipward::perf;
  // Clients and backends are this process, and systemd's and most shells' soft limit is 1,024.
  vipward::test::set_descriptor_limit(RLIM_INFINITY);
  Options options;
  CLI::App app("Measures the data path, vipward beside HAProxy and nginx.", "perf/run");
  app.add_option("--rounds", options.rounds, "in each of which every contender has its turn")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "of one turn")
      ->check(CLI::Range(0.1, 600.0))
      ->capture_default_str();
  app.add_option("--idle-sessions", options.idle_sessions, "whose memory is measured")
      ->check(CLI::Range(1, 9000))
      ->capture_default_str();
  app.add_option("--reconnecting", options.reconnecting, "clients that reconnect at once")
      ->check(CLI::Range(1, 9000))
      ->capture_default_str();
  app.add_option("--work", options.works, "only this one; may be repeated")
      ->check(CLI::IsMember({"requests-32", "requests-1000", "connections", "streams-1", "streams-8",
                             "latency", "idle", "reconnect", "workers-2", "idle-cpu", "instructions"}));
  app.add_option("--contender", options.contenders, "only this one; may be repeated")
      ->check(CLI::IsMember(kAll));
  app.add_option("--before", options.before,
                 "another build's vipward, to be compared with, and not the peers")
      ->check(CLI::ExistingFile);
  app.add_option("--output", options.output, "folder for the results; a whole run has one in perf/results");
  app.add_flag("--unjudged", options.unjudged,
               "a bar that is missed, or not judged, is told, and no failure");
  CLI11_PARSE(app, argc, argv);
  if (options.contenders.empty())
    options.contenders = options.before.empty() ? kAll : std::vector<std::string>{kDirect, "vipward"};
  if (!options.before.empty()) options.contenders.emplace_back(kBefore);
  std::string command_line = "perf/run";
  for (int i = 1; i < argc; ++i) command_line += std::string(" ") + argv[i];
  try {
    return run(options, command_line);
  } catch (const std::exception& error) {
    std::cerr << "perf/run: " << error.what() << std::endl;
    return 1;
  }
}
