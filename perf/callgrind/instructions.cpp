#include "perf/callgrind/instructions.h"

#include <chrono>
#include <csignal>
#include <stdexcept>

#include "perf/contenders/contender.h"
#include "perf/data_path/exchange.h"
#include "tests/support/free_port.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace vipward::perf {
namespace {

using namespace std::chrono_literals;

// Their difference is what is measured.
constexpr unsigned kFewer = 1000;
constexpr unsigned kMore = 6000;
// valgrind translates a program while it starts.
constexpr auto kStartLimit = 30s;
constexpr auto kEndLimit = 30s;

const char* program_of(CountedRelay relay) {
  return relay == CountedRelay::Worker ? VIPWARD_WORKER_RELAY : VIPWARD_FLOOR;
}

std::uint64_t instructions_of(CountedRelay relay, unsigned exchanges) {
  const test::TempDir folder;
  const ExchangeBackend backend;
  const SocketAddress address = test::free_port();
  const std::string profile = folder.file("profile");
  test::Process process({"valgrind", "--tool=callgrind", "--callgrind-out-file=" + profile, program_of(relay),
                         std::to_string(address.port()), std::to_string(backend.address().port())});
  if (!test::wait_until([&] { return !process.is_running() || is_served(address); }, kStartLimit) ||
      !process.is_running())
    throw std::runtime_error("under valgrind it does not serve:\n" + process.output_tail());
  {
    ExchangeClients client({.target = address, .connections = 1, .busy = 1});
    client.exchange(exchanges);
  }
  // Neither has an end of its own; callgrind writes its profile at that of a signal too.
  process.signal(SIGTERM);
  if (!process.wait(kEndLimit)) throw std::runtime_error("valgrind does not end:\n" + process.output_tail());
  const auto total = total_of(test::read_file(profile));
  if (!total) throw std::runtime_error("callgrind tells no total:\n" + process.output_tail());
  return *total;
}

}  // namespace

double instructions_per_exchange(CountedRelay relay) {
  const std::uint64_t fewer = instructions_of(relay, kFewer);
  const std::uint64_t more = instructions_of(relay, kMore);
  if (more <= fewer) throw std::runtime_error("more exchanges took no more instructions");
  return static_cast<double>(more - fewer) / (kMore - kFewer);
}

}  // namespace vipward::perf
