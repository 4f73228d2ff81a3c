#include "tests/system/vipward_router.h"

#include "tests/system/daemon.h"

namespace vipward::test {

std::string VipwardRouter::config() const {
  const Speech& speech = seat_.speech;
  ConfigText text;
  text.service = {{"listen", "\"vip:6443\""}};
  text.backends = {{"nobody", seat_.host.address(1).to_string()}};
  text.health_check = {{"protocol", "tcp"}};
  text.top = Daemon::top_keys(folder_);
  std::string vip = "{virtual_router_id: " + std::to_string(speech.vrid) +
                    ", priority: " + std::to_string(seat_.priority) +
                    ", failback: immediately, startup_delay: 0s, version: " + std::to_string(speech.version) +
                    ", advertise_interval: " + std::to_string(speech.interval().count()) + "ms";
  if (!speech.password.empty()) {
    vip += ", v2_password_file: " + folder_.file("password", speech.password + "\n");
  }
  vip += ", addresses: [";
  for (const IpAddress& one : speech.vips()) vip += "\"" + in_subnet(one) + "\", ";
  vip += "], peers: [";
  if (!speech.is_multicast) {
    for (const Host& one : seat_.all) vip += "\"" + own_address(one).to_string() + "\", ";
  }
  text.top["vip"] = vip + "]}";
  return text.yaml();
}

void VipwardRouter::start() {
  process_.reset();
  process_.emplace(seat_.host.spawn({Daemon::binary(), "run", "-c", folder_.file("vipward.yaml", config())}));
}

}  // namespace vipward::test
