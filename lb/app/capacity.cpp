#include "lb/app/capacity.h"

#include <sys/resource.h>

#include <algorithm>

#include "config/listen_addresses.h"
#include "lb/channel/messages.h"

namespace vipward {
std::uint64_t descriptor_limit() {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 1024;
}

// A session takes two descriptors. The reserve is for everything else: checks, admin connections, files, the
// loops; each listener has a socket ready for its next client's backend side.
std::uint32_t session_capacity(const Config& config, std::uint64_t descriptor_limit) {
  std::uint64_t reserve = 128 + 64 * (config.admin.listen.size() + 1);
  for (const ServiceConfig& service : config.services) {
    reserve += 2 * channel::kListenersPerAddress * listen_addresses(service, config.vip).size() +
               2 * service.backends.size();
  }
  reserve = std::min(reserve, descriptor_limit / 2);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>((descriptor_limit - reserve) / 2, 10'000'000));
}

}  // namespace vipward
