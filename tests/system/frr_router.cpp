#include "tests/system/frr_router.h"

#include <net/if.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "tests/support/wait.h"

namespace vipward::test {
namespace {

constexpr const char* kDevice = "vrrp";
constexpr Millis kLimit{10000};

// Where zebra and vrrpd are: unpacked at once, or found in the cache.
std::string frr() {
  // Asked once, however many rows there are and whatever it said.
  static const CommandResult result = run_command({"tests/system/unpack_frr"}, Millis{120000});
  std::string folder = result.standard_output;
  while (folder.ends_with('\n')) folder.pop_back();
  if (!result.succeeded() || folder.empty()) throw std::runtime_error(result.standard_error);
  return folder;
}

// It runs, which a device without a carrier does not.
bool is_operational(const char* device) {
  const Fd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, device, sizeof request.ifr_name - 1);
  return ioctl(any.get(), SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_RUNNING) != 0;
}

}  // namespace

std::string FrrRouter::mac_of(const IpAddress& vip) const {
  char text[32];
  std::snprintf(text, sizeof text, "00:00:5e:00:%02x:%02x", vip.is_v4() ? 1U : 2U, seat_.speech.vrid);
  return text;
}

bool FrrRouter::holds(const IpAddress& /*vip*/) const {
  return seat_.host.call([] { return is_operational(kDevice); });
}

std::string FrrRouter::log() const {
  return (process_ ? process_->output_tail() : "") + (zebra_ ? zebra_->output_tail() : "");
}

std::string FrrRouter::vrrpd_config() const {
  const Speech& speech = seat_.speech;
  const std::string router = " vrrp " + std::to_string(speech.vrid);
  const IpAddress vip = speech.vips().front();
  std::string addresses = router + (vip.is_v4() ? " ip " : " ipv6 ") + vip.to_string() + "\n";
  // Said, and on no device: nobody talks to it.
  if (!vip.is_v4()) addresses = router + " ipv6 " + speech.link_local_vip().to_string() + "\n" + addresses;
  return "interface eth0\n" + router + " version " + std::to_string(speech.version) + "\n" + router +
         " priority " + std::to_string(seat_.priority) + "\n" + router + " advertisement-interval " +
         std::to_string(speech.interval().count()) + "\n" + addresses;
}

// As FRR's manual says, and without a carrier: the VIP is not here until vrrpd says so.
void FrrRouter::add_device() const {
  const std::string ipv6 = std::string("net.ipv6.conf.") + kDevice;
  const IpAddress vip = seat_.speech.vips().front();
  run({"ip", "link", "add", "name", kDevice, "link", "eth0", "type", "macvlan", "mode", "bridge"});
  run({"ip", "link", "set", "dev", kDevice, "address", mac_of(vip)});
  // A link-local address of its own: FRR sends from it, and that of the MAC is the same on all hosts.
  run({"sysctl", "-q", "-w", ipv6 + ".addr_gen_mode=3"});
  // The carrier comes before the other router has let go, and so would its answer: the VIP was a duplicate.
  run({"sysctl", "-q", "-w", ipv6 + ".accept_dad=0"});
  run({"ip", "link", "set", "dev", kDevice, "protodown", "on"});
  run({"ip", "address", "add", in_subnet(vip), "dev", kDevice});
  run({"ip", "link", "set", "dev", kDevice, "up"});
  // Without, eth0 answers for the other device's address, also as the backup, and asks in its name.
  run({"sysctl", "-q", "-w", "net.ipv4.conf.all.arp_ignore=1", "net.ipv4.conf.all.arp_announce=2"});
}

void FrrRouter::start() {
  process_.reset();
  zebra_.reset();
  if (!seat_.host.call([] { return if_nametoindex(kDevice) != 0; })) add_device();
  const std::string socket = folder_.file("zebra.api");
  std::filesystem::remove(socket);
  zebra_.emplace(spawn("zebra", std::string("interface ") + kDevice + "\n ipv6 nd ra-lifetime 0\n"));
  // vrrpd would try again in ten seconds.
  if (!wait_until([&] { return std::filesystem::exists(socket); }, kLimit))
    throw std::runtime_error("zebra does not listen: " + log());
  process_.emplace(spawn("vrrpd", vrrpd_config()));
}

Process FrrRouter::spawn(const std::string& program, const std::string& config) const {
  // They want to be of a group that this machine does not have: it is there for them alone. In /var/tmp they
  // leave logs behind when they are killed.
  const std::string groups = folder_.file("group", "root:x:0:\nfrrvty:x:4242:root\n");
  return seat_.host.spawn({"unshare",
                           "--mount",
                           "sh",
                           "-c",
                           R"(mount --bind "$0" /etc/group && mount -t tmpfs none /var/tmp && exec "$@")",
                           groups,
                           frr() + "/" + program,
                           "--user",
                           "root",
                           "--group",
                           "root",
                           "--config_file",
                           folder_.file(program + ".conf", config),
                           "--pid_file",
                           folder_.file(program + ".pid"),
                           "--socket",
                           folder_.file("zebra.api"),
                           "--vty_socket",
                           folder_.path(),
                           "--vty_port",
                           "0",
                           "--log",
                           "stdout"},
                          {.environment = {"LD_LIBRARY_PATH=" + frr() + "/lib"}});
}

// vrrpd first: zebra takes the carrier away for it.
bool FrrRouter::stop() {
  if (!VrrpRouter::stop()) return false;
  if (!wait_until([&] { return !holds_any(); }, kLimit)) return false;
  zebra_->signal(SIGTERM);
  return zebra_->wait(kLimit).has_value();
}

void FrrRouter::kill() {
  VrrpRouter::kill();
  zebra_->kill();
}

void FrrRouter::run(std::vector<std::string> argv) const {
  std::string text;
  for (const std::string& word : argv) text += word + " ";
  const CommandResult result = seat_.host.run(std::move(argv));
  if (!result.succeeded()) throw std::runtime_error("failed: " + text + "\n" + result.standard_error);
}

}  // namespace vipward::test
