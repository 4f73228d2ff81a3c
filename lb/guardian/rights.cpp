#include "lb/guardian/rights.h"

#include <sched.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <system_error>

namespace vipward {
namespace {

// keepalived's manual warns of going above what the kernel's own threads have (50).
constexpr int kPriority = 49;

constexpr std::array kKept{CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE,
                           CAP_KILL,      CAP_SETUID,  CAP_SETGID};

struct CapabilityFree {
  void operator()(cap_t set) const { cap_free(set); }
};
using CapabilitySet = std::unique_ptr<std::remove_pointer_t<cap_t>, CapabilityFree>;

CapabilitySet own_capabilities() {
  CapabilitySet set(cap_get_proc());
  if (!set) throw std::system_error(errno, std::generic_category(), "cap_get_proc");
  return set;
}

bool has(const CapabilitySet& set, cap_value_t capability, cap_flag_t flag) {
  cap_flag_value_t value = CAP_CLEAR;
  return cap_get_flag(set.get(), capability, flag, &value) == 0 && value == CAP_SET;
}

std::string refused(const std::string& what, const std::string& way_out) {
  return what + ": " + std::generic_category().message(errno) + "; " + way_out;
}

}  // namespace

std::uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}

std::vector<std::string> missing_for_vip() {
  const CapabilitySet own = own_capabilities();
  std::vector<std::string> missing;
  if (!has(own, CAP_NET_ADMIN, CAP_EFFECTIVE)) missing.emplace_back("CAP_NET_ADMIN");
  if (!has(own, CAP_NET_RAW, CAP_EFFECTIVE)) missing.emplace_back("CAP_NET_RAW");
  return missing;
}

std::vector<std::string> claim_real_time() {
  std::vector<std::string> refusals;
  // With MCL_FUTURE every later allocation must fit the limit, or fails; that is worth it only without a
  // limit.
  rlimit limit{};
  const bool unlimited = getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY;
  if (mlockall(unlimited ? MCL_CURRENT | MCL_FUTURE : MCL_CURRENT) != 0) {
    refusals.push_back(refused("memory is not locked, a busy disk may delay an advertisement",
                               "allow it with CAP_IPC_LOCK or LimitMEMLOCK=infinity"));
  }
  const sched_param parameters{.sched_priority = kPriority};
  if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameters) != 0) {
    refusals.push_back(refused("no real-time priority, busy cores may delay an advertisement",
                               "allow it with CAP_SYS_NICE or LimitRTPRIO=" + std::to_string(kPriority)));
  }
  return refusals;
}

void keep_capabilities_across_exec() {
  const CapabilitySet own = own_capabilities();
  for (const cap_value_t capability : kKept) {
    if (has(own, capability, CAP_PERMITTED))
      cap_set_flag(own.get(), CAP_INHERITABLE, 1, &capability, CAP_SET);
  }
  if (geteuid() == 0 || cap_set_proc(own.get()) != 0) return;
  for (const cap_value_t capability : kKept) {
    if (has(own, capability, CAP_PERMITTED)) cap_set_ambient(capability, CAP_SET);
  }
}

void drop_capabilities() {
  const CapabilitySet own = own_capabilities();
  const CapabilitySet kept(cap_init());
  if (!kept) throw std::system_error(errno, std::generic_category(), "cap_init");
  for (const cap_value_t capability : kKept) {
    for (const cap_flag_t flag : {CAP_PERMITTED, CAP_EFFECTIVE}) {
      if (has(own, capability, flag)) cap_set_flag(kept.get(), flag, 1, &capability, CAP_SET);
    }
  }
  if (cap_set_proc(kept.get()) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot drop capabilities");
  }
}

}  // namespace vipward
