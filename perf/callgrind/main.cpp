// perf/instructions: vipward's worker beside the floor, and the guard against what a change makes it cost
// more.
#include <CLI/CLI.hpp>
#include <iostream>

#include "perf/callgrind/instructions.h"
#include "perf/figures.h"
#include "tests/support/temp_dir.h"

namespace vipward::perf {
namespace {

constexpr const char* kRecord = VIPWARD_SOURCE_DIR "/perf/instructions.txt";

int run(bool records) {
  const double vipward = instructions_per_exchange(CountedRelay::Worker);
  const double floor = instructions_per_exchange(CountedRelay::Floor);
  std::cout << "instructions per exchange: vipward " << number(vipward, 0) << ", floor " << number(floor, 0)
            << ", ratio " << number(vipward / floor, 2) << std::endl;
  if (records) {
    test::write_file(kRecord, recorded_text(vipward));
    std::cout << "recorded in " << kRecord << std::endl;
    return 0;
  }
  const auto recorded = parse_recorded(test::read_file(kRecord));
  if (!recorded) throw std::runtime_error(std::string(kRecord) + ": no number; perf/instructions --record");
  const std::string regression = regression_of(vipward, *recorded);
  if (!regression.empty()) throw std::runtime_error(regression);
  std::cout << "recorded: " << number(*recorded, 0) << std::endl;
  return 0;
}

}  // namespace
}  // namespace vipward::perf

int main(int argc, char** argv) {
  bool records = false;
  CLI::App app("Counts what vipward's worker and the floor spend on a small exchange.", "perf/instructions");
  app.add_flag("--record", records, "the figure is the one that later ones are compared with");
  CLI11_PARSE(app, argc, argv);
  try {
    return vipward::perf::run(records);
  } catch (const std::exception& error) {
    std::cerr << "perf/instructions: " << error.what() << std::endl;
    return 1;
  }
}
