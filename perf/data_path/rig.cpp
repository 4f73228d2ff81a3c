#include "perf/data_path/rig.h"

#include <stdexcept>
#include <utility>

#include "tests/support/wait.h"

namespace vipward::perf {
namespace {

constexpr std::chrono::seconds kQuietLimit{30};

}  // namespace

Rig::Rig(const std::vector<std::string>& contenders, std::string before) : before_(std::move(before)) {
  for (const std::string& name : contenders) {
    if (name != kDirect) contenders_[name] = fresh(name);
  }
}

const SocketAddress& Rig::target(const std::string& contender) const {
  return contender == kDirect ? first_.address() : contenders_.at(contender)->address();
}

std::chrono::nanoseconds Rig::cpu_time(const std::string& contender) const {
  return contender == kDirect ? std::chrono::nanoseconds{} : contenders_.at(contender)->cpu_time();
}

void Rig::wait_until_quiet() const {
  const auto is_quiet = [this] { return first_.connections() + second_.connections() == 0; };
  if (!test::wait_until(is_quiet, kQuietLimit))
    throw std::runtime_error("sessions do not end with their clients");
}

std::unique_ptr<Contender> Rig::fresh(const std::string& contender, unsigned workers) const {
  const bool splices = contender == "haproxy-splice";
  const std::string name = splices ? "haproxy" : contender == kBefore ? "vipward" : contender;
  return make_contender(name, {first_.address(), second_.address()},
                        {.workers = workers, .splices = splices, .binary = binary(contender)});
}

std::string Rig::binary(const std::string& contender) const {
  return contender == kBefore ? before_ : VIPWARD_BINARY;
}

}  // namespace vipward::perf
