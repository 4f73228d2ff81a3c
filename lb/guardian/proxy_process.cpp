#include "lb/guardian/proxy_process.h"

#include <cerrno>
#include <system_error>
#include <utility>
#include <variant>

#include "lb/guardian/thread_use.h"

namespace vipward {
namespace {

// A process that ends closes its channel first, and then perhaps ten thousand sockets.
constexpr Duration kEndingTime = std::chrono::milliseconds(300);

// A proxy speaks when its backends all die or come back, and when it is asked; more than this is no proxy.
constexpr Duration kCountingTime = std::chrono::seconds(1);
constexpr unsigned kMostMessages = 256;

}  // namespace

std::unique_ptr<ProxyProcess> ProxyProcess::start(Loop& loop, const Executable& executable,
                                                  std::uint64_t number, const std::optional<Account>& account,
                                                  Handlers handlers, std::string& problem) {
  try {
    channel::Pair pair = channel::create_pair();
    channel::VitalsPage vitals = channel::VitalsPage::create();
    Child child = spawn_proxy(executable, pair.proxy.get(), account);
    if (!child.pidfd) throw std::system_error(errno, std::generic_category(), "cannot start the proxy");
    return std::unique_ptr<ProxyProcess>(new ProxyProcess(
        loop, number, std::move(child), std::move(pair.guardian), std::move(vitals), std::move(handlers)));
  } catch (const std::system_error& error) {
    problem = error.what();
    return nullptr;
  }
}

std::unique_ptr<ProxyProcess> ProxyProcess::adopt(Loop& loop, const Lent& lent, Handlers handlers) {
  Child child{.pid = lent.pid, .pidfd = Fd(lent.pidfd)};
  Fd channel(lent.channel);
  std::unique_ptr<ProxyProcess> proxy(
      new ProxyProcess(loop, lent.number, std::move(child), std::move(channel),
                       channel::VitalsPage::view(Fd(lent.vitals)), std::move(handlers)));
  proxy->start_known_ = lent.start_known;
  return proxy;
}

ProxyProcess::Lent ProxyProcess::lent() const {
  return {.number = number_,
          .pid = child_.pid,
          .pidfd = child_.pidfd.get(),
          .channel = channel_.fd(),
          .vitals = vitals_.fd(),
          .start_known = start_known_};
}

ProxyProcess::ProxyProcess(Loop& loop, std::uint64_t number, Child child, Fd channel,
                           channel::VitalsPage vitals, Handlers handlers)
    : loop_(loop),
      number_(number),
      handlers_(std::move(handlers)),
      child_(std::move(child)),
      vitals_(std::move(vitals)),
      doubt_(loop, [this] { be_unfit(doubted_for_); }),
      channel_(loop, std::move(channel),
               {.on_message = [this](channel::ToGuardian message) { hear(std::move(message)); },
                .on_closed = [this] { doubt("closed its channel"); },
                .on_malformed = [this] { be_unfit("sent what is no message"); }}),
      child_end_(loop, child_.pidfd.get(), [this](Poll::Ready) { on_child_ended(); }) {
  child_end_.watch({.read = true});
}

void ProxyProcess::send(channel::ToProxy message) {
  // What is said again, or whose asker can ask again, may be lost.
  const bool may_be_lost = std::holds_alternative<channel::GuardianStatus>(message) ||
                           std::holds_alternative<channel::HttpConnection>(message);
  const bool is_taken = channel_.send(std::move(message));
  // Of a channel that has ended the handlers tell, and why.
  if (!is_taken && !may_be_lost && channel_.is_open()) doubt("does not read its channel");
}

// What a dead one has said would be taken for its successor's word.
void ProxyProcess::hear(channel::ToGuardian message) {
  if (unfit_ || ended_) return;
  const bool is_about_start =
      std::holds_alternative<channel::Ready>(message) || std::holds_alternative<channel::Failed>(message);
  if (is_about_start && std::exchange(start_known_, true)) return be_unfit("spoke of its start twice");
  if (std::holds_alternative<channel::Prepared>(message) && (start_known_ || std::exchange(prepared_, true)))
    return be_unfit("spoke of its start twice");
  const TimePoint now = loop_.now();
  if (now - counted_since_ >= kCountingTime) {
    counted_since_ = now;
    messages_ = 0;
  }
  if (++messages_ > kMostMessages) return be_unfit("floods its channel");
  handlers_.on_message(std::move(message));
}

// The channel is no good any more: it is on its way out, which will show, or broken.
void ProxyProcess::doubt(const char* why) {
  if (!doubted_for_.empty()) return;
  doubted_for_ = why;
  doubt_.arm_after(kEndingTime);
}

void ProxyProcess::kill() {
  kill_child(child_);
}

void ProxyProcess::on_child_ended() {
  ended_ = true;
  child_end_.watch({});
  doubt_.cancel();
  handlers_.on_ended(to_string(reap(child_)));
}

// Later: whoever sends is in the middle of something.
void ProxyProcess::be_unfit(const std::string& why) {
  if (std::exchange(unfit_, true)) return;
  loop_.post([on_unfit = handlers_.on_unfit, why] { on_unfit(why); });
}

std::optional<std::string> ProxyProcess::find_stall(TimePoint now) {
  if (!std::exchange(judging_, true)) judge_.reset(now);
  const auto stamps = channel::VitalsReader(vitals_).snapshot();
  std::vector<StallJudge::Slot> slots(stamps.size());
  for (std::size_t i = 0; i < stamps.size(); ++i) {
    // The control loop has always a slot; one that is not in use is as good as fresh.
    const bool in_use = i == 0 || stamps[i].thread_id != 0;
    slots[i].stamped_at = in_use ? stamps[i].at : now;
    if (in_use && judge_.is_suspicious(stamps[i].at, now))
      slots[i].use = read_thread_use(child_.pid, stamps[i].thread_id);
  }
  const auto stalled = judge_.observe(now, slots);
  if (!stalled) return std::nullopt;
  return *stalled == 0 ? "the control loop" : "worker " + std::to_string(*stalled - 1);
}

}  // namespace vipward
