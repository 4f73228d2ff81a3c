#include "perf/reloads/report.h"

#include "perf/figures.h"
#include "perf/provenance.h"

namespace vipward::perf {
namespace {

constexpr double kMostStallMs = 150;
constexpr double kMostGrowth = 1.1;

std::string mebibytes(std::uint64_t kib) {
  return number(static_cast<double>(kib) / 1024);
}

}  // namespace

std::string heading(const std::string& command_line, const Workload& workload) {
  std::string text =
      "# Reload, " + utc_now("%Y-%m-%d %H:%M UTC") + "\n\n" + provenance(command_line) + "\n\n";
  text +=
      std::to_string(workload.sessions) + " sessions over loopback, " + std::to_string(workload.bulk) +
      " of them moving checksummed data both ways at full speed, " + std::to_string(workload.request) +
      " asking for something\nevery 10 ms, the rest idle, each since another moment; one worker each; "
      "clients, "
      "backends and contender share the cores.\n"
      "Then reloads, and for vipward upgrades, one after the other, the sessions staying open, with a new "
      "connection every 2 ms.\n\n";
  text +=
      "- Stall: the longest time that any session got nothing it was waiting for, median of the reloads / "
      "worst, in "
      "ms; the same per\n  second without a reload beside it.\n"
      "- Answered: when vipward's command has its answer, that every session has moved; of the others, when "
      "another "
      "worker is there;\n  median, in ms.\n"
      "- Longest without one: between two answers to new connections, in ms.\n"
      "- Processes, memory (Pss of all of them, MiB), descriptors: before the first reload, and after the "
      "last one. " +
      std::to_string(kLate) + " more\n  sessions began after each reload, and are open then.\n\n";
  return text;
}

std::string table_head() {
  return "| contender | reloads + upgrades | sessions lost | corrupt | stuck | stall | without reload | "
         "answered | "
         "new connections failed | longest without one | processes | memory | descriptors | bars met |\n"
         "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";
}

std::string bars() {
  return "\nBars for vipward: no session lost, corrupt or stuck; no stall over 150 ms; no new connection "
         "failed; "
         "memory not over 1.1 times\nwhat it was; no descriptors but those of the new sessions; no process "
         "more. "
         "While it holds the VIP: no advertisement later than two\nintervals, no transition.\n";
}

std::string misses(const Result& result) {
  std::string text;
  const auto add = [&](bool missed, const std::string& what) {
    if (missed) text += (text.empty() ? "" : ", ") + what;
  };
  add(result.sessions.ended() + result.late_lost > 0 || result.corrupt_at_backend > 0, "sessions lost");
  add(result.stuck > 0, "sessions stuck");
  add(most_of(result.stalls_ms) > kMostStallMs, "stall over 150 ms");
  add(result.failed > 0, "new connections failed");
  add(static_cast<double>(result.after.memory_kib) >
          kMostGrowth * static_cast<double>(result.before.memory_kib),
      "memory grew by more than a tenth");
  add(result.after.descriptors > result.before.descriptors + 2 * result.late + 4, "descriptors grew");
  add(result.after.processes > result.before.processes, "old processes left");
  return text;
}

std::string row(const Result& result) {
  if (!result.failure.empty()) return "| " + result.contender + " | " + result.failure + " |\n";
  const auto& sessions = result.sessions;
  const std::size_t reloads = result.reloads_ms.size() - result.upgrades;
  const bool is_ours = result.contender == "vipward";
  const std::string missed = misses(result);
  const std::vector<std::string> cells{
      result.contender,
      std::to_string(reloads) + " + " + std::to_string(result.upgrades),
      std::to_string(sessions.ended() + result.late_lost),
      std::to_string(sessions.corrupt + result.corrupt_at_backend),
      std::to_string(result.stuck),
      median_and_most(result.stalls_ms),
      number(median_of(result.baseline_ms)) + " / " + number(most_of(result.baseline_ms)),
      number(median_of(result.reloads_ms), 0),
      std::to_string(result.failed) + " of " + std::to_string(result.probes + result.failed) + " (" +
          result.failed_probes + ")",
      number(result.longest_gap_ms),
      std::to_string(result.before.processes) + " -> " + std::to_string(result.after.processes),
      mebibytes(result.before.memory_kib) + " -> " + mebibytes(result.after.memory_kib),
      std::to_string(result.before.descriptors) + " -> " + std::to_string(result.after.descriptors),
      is_ours ? (missed.empty() ? "yes" : missed) : ""};
  std::string text = "|";
  for (const std::string& cell : cells) text += " " + cell + " |";
  return text + "\n";
}

}  // namespace vipward::perf
