#include "lb/guardian/succession.h"

#include <algorithm>
#include <iterator>
#include <system_error>
#include <utility>
#include <variant>

#include "config/difference.h"
#include "config/load.h"
#include "lb/guardian/departing.h"
#include "lb/guardian/reexecution.h"

namespace vipward {
namespace {

// It reads certificates and starts threads, on a machine that may be busy.
constexpr Duration kPrepareLimit = std::chrono::seconds(10);

}  // namespace

Succession::Succession(const Present& present, SuccessionKind kind, Hooks hooks)
    : present_(present),
      kind_(kind),
      hooks_(std::move(hooks)),
      limit_(present.loop, [this] { fail({"the next proxy was not prepared within 10 s"}); }) {
  // Later: who made this has not got it yet.
  present_.loop.post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) examine();
  });
}

Succession::~Succession() {
  if (proxy_ && !proxy_ended_) proxy_->kill();
}

void Succession::examine() {
  try {
    if (kind_ == SuccessionKind::Upgrade) next_executable_ = present_.executable.on_disk();
    state_ = state_document(hooks_.state());
    examination_ = std::make_unique<Examination>(
        present_.loop, executable(), present_.config_name, state_.get(),
        [this](Examination::Verdict verdict) { on_verdict(std::move(verdict)); });
  } catch (const std::exception& error) {
    fail({error.what()});
  }
}

void Succession::on_verdict(Examination::Verdict verdict) {
  // It is in the middle of telling this.
  present_.loop.post([ended = std::shared_ptr<Examination>(std::move(examination_))] {});
  if (failed_) return finish_failing();
  auto problems = std::move(verdict.problems);
  if (problems.empty()) problems = adopt(verdict.config_text);
  if (problems.empty()) problems = open();
  if (problems.empty()) problems = start_proxy();
  if (!problems.empty()) fail(std::move(problems));
}

std::vector<std::string> Succession::adopt(const std::string& config_text) {
  LoadResult loaded = parse_config(config_text, present_.config_name);
  if (!loaded.config) {
    // An upgrade's new program accepts what this one does not know.
    std::vector<std::string> problems{
        "the running version does not understand the configuration: upgrade with the one that runs, then "
        "change "
        "it and reload"};
    problems.insert(problems.end(), loaded.errors.begin(), loaded.errors.end());
    return problems;
  }
  config::Difference difference = config::difference_of(present_.config, *loaded.config);
  if (!difference.refusals.empty()) return std::move(difference.refusals);
  if (auto refusal = hooks_.refusal_of(*loaded.config)) return {*refusal};
  DrainsAcross drains = drains_across(*loaded.config);
  if (!drains.refusals.empty()) return std::move(drains.refusals);
  departing_ = departing_after(present_.departing, difference.departing, *loaded.config, present_.loop.now());
  if (departing_.size() > kMostDeparting) {
    return {"more than " + std::to_string(kMostDeparting) +
            " backends would be leaving at a time: go in steps, each once the sessions of the last one have "
            "ended"};
  }
  config_ = std::move(*loaded.config);
  config_text_ = config_text;
  // The kernel tells the path without symbolic links: a link that was turned to another file changes nothing.
  if (next_executable_ && next_executable_->is_same_file(present_.executable))
    changes_.push_back("the binary on disk, " + next_executable_->path() + ", is the one that ran already");
  if (!difference.changes.empty()) changes_.push_back(config::counts_text(difference));
  std::ranges::move(difference.changes, std::back_inserter(changes_));
  std::ranges::move(drains.changes, std::back_inserter(changes_));
  return {};
}

DrainsAcross Succession::drains_across(const Config& next) const {
  return vipward::drains_across(present_.config, hooks_.drains(present_.config), next, hooks_.drains(next));
}

std::vector<std::string> Succession::open() {
  std::vector<std::string> problems;
  files_.emplace(config_.services);
  for (const FileWatch::Opened& opened : files_->open_all()) {
    if (!opened.problem.empty()) problems.push_back(opened.problem);
  }
  if (!problems.empty()) return problems;
  try {
    listeners_.emplace(config_, present_.log, present_.listeners.copies());
    briefing_.emplace(present_.config_name, config_text_);
  } catch (const std::exception& error) {
    return {error.what()};
  }
  return {};
}

std::vector<std::string> Succession::start_proxy() {
  std::string problem;
  proxy_ =
      ProxyProcess::start(present_.loop, executable(), present_.generation, present_.proxy_account,
                          {.on_message = [this](const channel::ToGuardian& message) { on_message(message); },
                           .on_unfit =
                               [this, alive = std::weak_ptr(alive_)](const std::string& why) {
                                 if (!alive.expired()) fail({"the next proxy is unfit: it " + why});
                               },
                           .on_ended = [this](const std::string& how) { on_proxy_ended(how); }},
                          problem);
  if (!proxy_) return {problem};
  if (!briefing_->give(*proxy_, *listeners_, files_->open_all(),
                       {.departing = departing_, .drains = hooks_.drains(config_)}))
    return {"no descriptors are left for the next proxy"};
  proxy_->send(hooks_.status());
  proxy_->send(channel::Prepare{});
  limit_.arm_after(kPrepareLimit);
  return {};
}

void Succession::on_proxy_ended(const std::string& how) {
  proxy_ended_ = true;
  if (failed_) return finish_failing();
  fail({"the next proxy ended before it had taken over: " + how});
}

void Succession::on_message(const channel::ToGuardian& message) {
  if (failed_) return;
  if (const auto* failed = std::get_if<channel::Failed>(&message)) return fail(failed->problems);
  if (!std::holds_alternative<channel::Prepared>(message)) return;
  limit_.cancel();
  // The operator may have drained the one that was left.
  auto refusals = drains_across(config_).refusals;
  if (!refusals.empty()) return fail(std::move(refusals));
  prepared_ = true;
  hooks_.on_prepared();
}

// Its children have to be gone first: nobody else would reap them.
void Succession::fail(std::vector<std::string> problems) {
  if (failed_) return;
  failed_ = true;
  problems_ = std::move(problems);
  limit_.cancel();
  if (examination_) examination_->abort();
  if (proxy_) proxy_->kill();
  finish_failing();
}

// Later: this is called in the middle of what the owner is about to destroy.
void Succession::finish_failing() {
  if (!failed_ || examination_ || (proxy_ && !proxy_ended_)) return;
  present_.loop.post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) hooks_.on_failed(std::move(problems_));
  });
}

}  // namespace vipward
