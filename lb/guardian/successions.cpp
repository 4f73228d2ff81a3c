#include "lb/guardian/successions.h"

#include <csignal>
#include <utility>

#include "lb/guardian/reexecution.h"
#include "lb/version.h"

namespace vipward {
namespace {

using namespace std::chrono_literals;

// A commit waits for what the kernel has not taken of the channels yet, so often and so long.
constexpr Duration kCommitPause = 5ms;
constexpr unsigned kMostCommitsPutOff = 200;
// The log's last lines before another image takes over; it does not wait for a reader that has stopped.
constexpr std::chrono::milliseconds kLogLimit{20};

}  // namespace

Successions::Successions(const Succession::Present& present, Surroundings around, Hooks hooks)
    : present_(present),
      around_(around),
      hooks_(std::move(hooks)),
      commit_(present.loop, [this] { commit(); }) {}

std::optional<std::string> Successions::refusal() const {
  if (stopping_) return "vipward stops";
  if (around_.life.is_handing_over()) {
    const std::uint32_t left = around_.life.left_behind();
    return "the last one still hands over its sessions, " +
           (left > 0 ? std::to_string(left) + " are left, " : std::string()) + "try again in a moment";
  }
  if (succession_) return "a reload or an upgrade is under way";
  if (!around_.life.is_serving()) return "no proxy serves now, try again in a moment";
  return std::nullopt;
}

void Successions::hang_up() {
  hang_up_waits_ = !stopping_ && refusal();
  if (hang_up_waits_) {
    present_.log.info("reload follows as soon as it can");
  } else {
    begin(SuccessionKind::Reload, CommandReply(Fd()));
  }
}

void Successions::look() {
  if (hang_up_waits_ && !refusal()) hang_up();
}

void Successions::begin(SuccessionKind kind, CommandReply reply) {
  const std::string name = kind == SuccessionKind::Upgrade ? "upgrade" : "reload";
  if (const auto why = refusal()) {
    present_.log.warn(name + " refused", {{"reason", *why}});
    return reply.fail(*why);
  }
  present_.log.info(name + " begins");
  reply_ = std::move(reply);
  asked_at_ = present_.loop.now();
  present_.generation = around_.life.take_number();
  succession_ = std::make_unique<Succession>(
      present_, kind,
      Succession::Hooks{
          .state = [this] { return to_text(hooks_.heritage()); },
          .refusal_of = [this](const Config& next) -> std::optional<std::string> {
            return around_.router && next.vip ? around_.router->refusal_of(*next.vip) : std::nullopt;
          },
          .drains = [this](const Config& config) { return around_.drains.message(config); },
          .status = [this] { return hooks_.status(); },
          .on_prepared = [this] { on_prepared(); },
          .on_failed = [this](const std::vector<std::string>& problems) { on_failed(problems); }});
}

void Successions::on_life_change() {
  if (succession_ && !around_.life.is_serving()) succession_->fail({"the proxy that serves ended meanwhile"});
}

void Successions::stop() {
  stopping_ = true;
  if (succession_) succession_->fail({"vipward stops"});
}

// A signal that has been delivered may still be on its way through the loop: two more turns.
void Successions::on_prepared() {
  commits_put_off_ = 0;
  hold_signals();
  const auto commit_this = [this, number = present_.generation] {
    if (number == present_.generation) commit();
  };
  present_.loop.post([this, commit_this] { present_.loop.post(commit_this); });
}

// It may have failed since it was prepared; then on_failed() follows, or has come already.
void Successions::commit() {
  if (!succession_ || !succession_->is_prepared()) return;
  if (stopping_ || !around_.life.is_serving())
    return succession_->fail({stopping_ ? "vipward stops" : "the proxy that serves ended meanwhile"});
  succession_->tell(hooks_.status());
  if ((around_.life.has_unsaid() || succession_->proxy().has_unsaid()) &&
      ++commits_put_off_ < kMostCommitsPutOff) {
    commit_.arm_after(kCommitPause);
    return;
  }
  // It is held, and waits for the next image.
  if (std::exchange(hang_up_waits_, false)) raise(SIGHUP);
  if (around_.router) around_.router->prepare_to_leave();
  const Heritage left = hooks_.heritage();
  present_.log.settle(kLogLimit);
  const std::string error = reexecute(succession_->executable(), present_.config_name, left);
  succession_->fail({present_.executable.path() + " cannot be executed again: " + error});
}

void Successions::on_failed(const std::vector<std::string>& problems) {
  const bool is_upgrade = succession_->kind() == SuccessionKind::Upgrade;
  commit_.cancel();
  let_signals_through();
  succession_.reset();
  last_was_successful_ = false;
  std::string text = "nothing changed";
  for (const std::string& problem : problems) {
    present_.log.error(is_upgrade ? "upgrade failed, nothing changed" : "reload failed, nothing changed",
                       {{"problem", problem}});
    text += "\n" + problem;
  }
  // Whoever reads the answer and then the metrics finds it there.
  hooks_.on_failed();
  std::exchange(reply_, CommandReply(Fd())).fail(text);
  hooks_.on_over();
}

void Successions::add_to(Heritage& left) const {
  if (!succession_ || !succession_->is_prepared()) return;
  left.config_text = succession_->config_text();
  left.departing = succession_->departing();
  left.listeners = succession_->listeners().lent();
  left.successor = succession_->proxy().lent();
  left.handover = {.kind = succession_->kind(),
                   .reply = reply_.is_over() ? std::nullopt : std::optional(reply_.fd()),
                   .asked_at = asked_at_,
                   .committed_at = present_.loop.now(),
                   .predecessor = left.predecessor ? left.predecessor->number : 0,
                   .successor = left.successor->number,
                   .from_version = full_version(),
                   .changes = succession_->changes()};
}

}  // namespace vipward
