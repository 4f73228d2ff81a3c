#include "lb/app/capacity.h"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>

#include "config/listen_addresses.h"
#include "lb/channel/messages.h"
#include "lb/channel/vitals.h"

namespace vipward {
namespace {
// More relay hardly more: the kernel's part of the work is on other threads too.
constexpr unsigned kMostWorkersByThemselves = 4;
}  // namespace

std::uint64_t descriptor_limit() {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 1024;
}

unsigned usable_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  // EINVAL: more cores than fit into the set, which is more than enough.
  if (sched_getaffinity(0, sizeof cores, &cores) != 0) return kMostWorkersByThemselves;
  return static_cast<unsigned>(CPU_COUNT(&cores));
}

unsigned worker_count(std::optional<unsigned> configured, unsigned cores) {
  const unsigned wanted = configured.value_or(std::min(cores, kMostWorkersByThemselves));
  return std::clamp(wanted, 1U, static_cast<unsigned>(channel::kVitalsSlots - 1));
}

// A session takes two descriptors. The reserve is for everything else: checks, admin connections, files, the
// loops, a pipe for each worker; each listener has a socket ready for its next client's backend side.
std::uint32_t session_capacity(const Config& config, unsigned workers, std::uint64_t descriptor_limit) {
  std::uint64_t reserve = 128 + 64 * (config.admin.listen.size() + 1) + 2 * workers;
  for (const ServiceConfig& service : config.services) {
    reserve += 2 * channel::kListenersPerAddress * listen_addresses(service, config.vip).size() +
               2 * service.backends.size();
  }
  reserve = std::min(reserve, descriptor_limit / 2);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>((descriptor_limit - reserve) / 2, 10'000'000));
}

}  // namespace vipward
