#include "lb/guardian/drains.h"

#include <utility>

#include "lb/event/utc_text.h"
#include "lb/net/small_file.h"

namespace vipward {
namespace {

std::string deadline_of(const DrainEntry& entry) {
  if (entry.deadline_unix_ms == 0) return "none";
  return utc_text(DrainList::WallTime(std::chrono::milliseconds(entry.deadline_unix_ms)));
}

}  // namespace

Drains::Drains(Log& log, const Config& config, std::string path, const std::optional<std::string>& inherited,
               std::function<void()> on_change)
    : log_(log), config_(config), path_(std::move(path)), on_change_(std::move(on_change)) {
  if (inherited) {
    list_ = DrainList::parse(*inherited).list;
  } else {
    read_file();
  }
  for (const DrainEntry& entry : list_.unknown_in(config_)) {
    log_.warn("drained, but not in the configuration",
              {{"service", entry.service}, {"backend", entry.backend}});
  }
}

void Drains::read_file() {
  const SmallFile file = read_small_file(path_);
  if (!file.problem.empty())
    log_.error("drains cannot be read, nothing is drained", {{"error", file.problem}});
  auto [list, skipped] = DrainList::parse(file.text);
  list_ = std::move(list);
  if (skipped.empty()) return;
  log_.error("lines of the list of drains make no sense, they are skipped",
             {{"file", path_}, {"lines", skipped.size()}, {"first", skipped.front()}});
}

void Drains::drain(const DrainRequest& request, CommandReply reply) {
  DrainList next = list_;
  const auto outcome = next.drain(config_, request.name, request.limit, std::chrono::system_clock::now());
  if (!take(std::move(next), outcome, std::move(reply))) return;
  for (const DrainEntry& entry : outcome.changed) {
    log_.info("backend drained by the operator",
              {{"service", entry.service}, {"backend", entry.backend}, {"deadline", deadline_of(entry)}});
  }
}

void Drains::undrain(const UndrainRequest& request, CommandReply reply) {
  DrainList next = list_;
  const auto outcome = next.undrain(config_, request.name);
  if (!take(std::move(next), outcome, std::move(reply))) return;
  for (const DrainEntry& entry : outcome.changed)
    log_.info("backend undrained", {{"service", entry.service}, {"backend", entry.backend}});
}

bool Drains::take(DrainList next, const DrainList::Outcome& outcome, CommandReply reply) {
  std::string problem = outcome.is_problem ? outcome.text : "";
  if (!outcome.changed.empty()) {
    if (const std::string error = replace_small_file(path_, next.to_text()); !error.empty()) {
      log_.error("drains cannot be written, nothing changed", {{"error", error}});
      problem = "nothing changed: " + error;
    }
  }
  if (!problem.empty()) {
    reply.fail(problem);
    return false;
  }
  if (!outcome.changed.empty()) {
    list_ = std::move(next);
    on_change_();
  }
  reply.succeed(outcome.text);
  return true;
}

}  // namespace vipward
