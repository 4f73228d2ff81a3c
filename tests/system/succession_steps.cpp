#include "tests/system/succession_steps.h"

#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <span>
#include <variant>

#include "lb/channel/messages.h"
#include "lb/handover/messages.h"

namespace vipward::test {
namespace {

using Who = SyscallSteps::Who;
using Step = SyscallSteps::Step;

// The prologue of a packet (lb/channel/wire.h): what it is of, the version, which message.
constexpr std::uint8_t kChannel = 0xB7;
constexpr std::uint8_t kHandover = 0xB8;
constexpr std::size_t kKindAt = 2;
// A message of a batch goes on with its number, Sessions with how many follow.
constexpr std::size_t kBatchAt = 3;
constexpr std::size_t kCountAt = kBatchAt + sizeof(std::uint32_t);

template <class Message, std::size_t N>
constexpr std::array<const char*, N> names_of(const char* const (&names)[N]) {
  static_assert(N == std::variant_size_v<Message>, "a message has no name here");
  return std::to_array(names);
}
constexpr auto kToProxy = names_of<channel::ToProxy>(
    {"Setup", "ServiceListeners", "AdminListeners", "CheckFiles", "Serve", "GuardianStatus", "VipReleased",
     "HttpConnection", "Stop", "Drains", "Prepare", "TakeOver", "HandOver"});
constexpr auto kToGuardian = names_of<channel::ToGuardian>(
    {"Ready", "Failed", "SessionsReset", "living Backends", "Prepared", "Inherited", "HandedOver"});
constexpr auto kToSuccessor = names_of<handover::ToSuccessor>(
    {"Backends", "Counts", "Known", "Sessions", "Bytes", "BatchEnd", "Yours", "End"});
constexpr auto kToPredecessor = names_of<handover::ToPredecessor>({"Taken", "Refused"});

std::span<const char* const> names(std::uint8_t magic, Who speaker, Who hearer) {
  if (magic == kChannel) {
    if (speaker == Who::Parent) return kToProxy;
    return kToGuardian;
  }
  if (magic != kHandover) return {};
  if (speaker == Who::Elder || hearer == Who::Younger) return kToSuccessor;
  return kToPredecessor;
}

std::optional<std::string> message_of(const Step& step, bool hears) {
  if (step.head.size() <= kKindAt) return std::nullopt;
  // Of a proxy on the channel the other end is the guardian.
  const Who other = step.who == Who::Parent ? Who::Elder : Who::Parent;
  const auto all = hears ? names(step.head[0], other, step.who) : names(step.head[0], step.who, other);
  const std::size_t kind = step.head[kKindAt];
  return kind < all.size() ? std::optional<std::string>(all[kind]) : std::nullopt;
}

std::optional<std::uint32_t> batch_of(const Act& act, const Step& step) {
  constexpr std::array kOfBatch{"Sessions", "Bytes", "BatchEnd", "Taken", "Yours"};
  if (std::ranges::find(kOfBatch, act.what) == kOfBatch.end() || step.head.size() < kCountAt)
    return std::nullopt;
  std::uint32_t batch = 0;
  std::memcpy(&batch, step.head.data() + kBatchAt, sizeof batch);
  return batch;
}

unsigned sessions_in(const Step& step) {
  return step.head.size() > kCountAt ? step.head[kCountAt] : 0;
}

}  // namespace

std::string to_string(const Act& act) {
  constexpr std::array kWho{"guardian", "old proxy", "new proxy", "newborn"};
  constexpr std::array kDeed{"executes", "says", "has said", "hears"};
  return std::string(kWho[static_cast<std::size_t>(act.who)]) + " " +
         kDeed[static_cast<std::size_t>(act.deed)] + " " + act.what;
}

std::optional<Act> act_of(const Step& step, Side side) {
  const bool is_over = side == Side::After;
  if (step.number == SYS_execveat) {
    if (is_over) return std::nullopt;
    return Act{.who = step.who, .deed = Deed::Executes, .what = "a program"};
  }
  const bool hears = step.number == SYS_recvmsg;
  if ((hears && !is_over) || (is_over && step.result <= 0)) return std::nullopt;
  const auto message = message_of(step, hears);
  if (!message) return std::nullopt;
  const Deed says = is_over ? Deed::HasSaid : Deed::Says;
  return Act{.who = step.who, .deed = hears ? Deed::Hears : says, .what = *message};
}

void SessionLedger::note(const Act& act, const Step& step) {
  if (act.who != Who::Elder || act.deed == Deed::Hears) return;
  const bool has_said = act.deed == Deed::HasSaid;
  unsure_.reset();
  if (act.what == "Backends") batches_.clear();  // the first that is said on a link
  const auto batch = batch_of(act, step);
  if (!batch) return;
  if (act.what == "Sessions" && has_said) batches_[*batch] = sessions_in(step);
  if (act.what != "Yours") return;
  if (has_said) {
    given_[step.younger] += batches_.at(*batch);
  } else {
    unsure_ = batch;
  }
}

unsigned SessionLedger::given() const {
  return std::accumulate(given_.begin(), given_.end(), 0U,
                         [](unsigned sum, const auto& of) { return sum + of.second; });
}

unsigned SessionLedger::given_to(pid_t successor) const {
  const auto found = given_.find(successor);
  return found == given_.end() ? 0 : found->second;
}

bool SessionLedger::is_of_last_batch(const Act& act, const Step& step) const {
  const auto batch = batch_of(act, step);
  if (!batch) return false;
  unsigned sessions = 0;
  for (const auto& [number, size] : batches_) {
    if (number <= *batch) sessions += size;
  }
  if (act.what == "Sessions" && !batches_.contains(*batch)) sessions += sessions_in(step);
  return sessions == sessions_;
}

}  // namespace vipward::test
