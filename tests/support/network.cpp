#include "tests/support/network.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include "lb/net/socket.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

constexpr const char* kFolder = "/run/netns";
constexpr std::string_view kPrefix = "vipward-";
// The table of the rules that drop; in the bridge's namespace one per host.
constexpr const char* kLoopbackTable = "vipward_drop";

std::string run_or_throw(std::vector<std::string> argv, const Process::Options& options = {}) {
  const std::vector<std::string> words = argv;
  const CommandResult result = run_command(std::move(argv), Millis{20000}, options);
  if (result.succeeded()) return result.standard_output;
  std::string text;
  for (const std::string& word : words) text += word + " ";
  throw std::runtime_error("failed: " + text + "\n" + result.standard_output + result.standard_error);
}

Fd open_namespace(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) throw std::system_error(errno, std::generic_category(), path);
  return fd;
}

// The processes inside go too: they belong to the run that made the namespace.
void remove_namespace(const std::string& name) {
  std::istringstream pids(run_command({"ip", "netns", "pids", name}).standard_output);
  for (pid_t pid = 0; pids >> pid;) {
    if (pid > 1 && pid != getpid()) kill(pid, SIGKILL);
  }
  run_command({"ip", "netns", "delete", name});
}

// "vipward-PID-..." of a process that is gone.
bool is_left_over(const std::string& name) {
  if (!name.starts_with(kPrefix)) return false;
  const int pid = std::atoi(name.c_str() + kPrefix.size());
  return pid > 0 && is_process_gone(pid);
}

void remove_left_overs() {
  std::error_code ignored;
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder, ignored)) {
    names.push_back(entry.path().filename());
  }
  for (const std::string& name : names) {
    if (is_left_over(name)) remove_namespace(name);
  }
}

std::string host_prefix(const IpAddress& address) {
  return address.to_string() + (address.is_v4() ? "/32" : "/128");
}

void add_drop_rule(const std::string& namespace_name, const std::string& table, const std::string& hook,
                   const std::string& rule) {
  run_or_throw({"ip", "netns", "exec", namespace_name, "nft",
                "add table " + table + "; add chain " + table + " c { type filter hook " + hook +
                    " priority 0; policy accept; }; add rule " + table + " c " + rule + " counter drop"});
}

}  // namespace

InsideNamespace::InsideNamespace(int namespace_fd) : before_(open_namespace("/proc/thread-self/ns/net")) {
  if (setns(namespace_fd, CLONE_NEWNET) != 0)
    throw std::system_error(errno, std::generic_category(), "setns");
}

InsideNamespace::~InsideNamespace() {
  // A test that goes on in the wrong namespace would lie.
  if (setns(before_.get(), CLONE_NEWNET) != 0) std::abort();
}

struct Host::State {
  std::string name;
  std::string namespace_name;
  std::string bridge_namespace;
  IpAddress address;
  IpAddress address_v6;
  Fd fd;

  State(std::string host_name, const std::string& prefix, IpAddress host_address)
      : name(std::move(host_name)),
        namespace_name(prefix + "-" + name),
        bridge_namespace(prefix + "-bridge"),
        address(host_address),
        address_v6(*IpAddress::parse("fd77::" + std::to_string(address.bytes()[3]))) {
    run_or_throw({"ip", "netns", "add", namespace_name});
    fd = open_namespace(std::string(kFolder) + "/" + namespace_name);
    // Nobody has to wait a second for an IPv6 address that no other host has.
    write_here("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
    run_or_throw({"ip", "-n", bridge_namespace, "link", "add", "name", name, "type", "veth", "peer", "name",
                  "eth0", "netns", namespace_name});
    run_or_throw({"ip", "-n", bridge_namespace, "link", "set", name, "master", "br0", "up"});
    run_or_throw({"ip", "-n", namespace_name, "link", "set", "lo", "up"});
    run_or_throw({"ip", "-n", namespace_name, "address", "add", address.to_string() + "/24", "dev", "eth0"});
    run_or_throw({"ip", "-n", namespace_name, "address", "add", address_v6.to_string() + "/64", "dev", "eth0",
                  "nodad"});
    run_or_throw({"ip", "-n", namespace_name, "link", "set", "eth0", "up"});
    wait_for_bridge();
  }
  // The kernel tells the bridge of the port's carrier by a work queue: what is sent before that is lost.
  void wait_for_bridge() const {
    const auto forwards = [this] {
      return run_or_throw({"ip", "-n", bridge_namespace, "-details", "link", "show", "dev", name})
                 .find("state forwarding") != std::string::npos;
    };
    if (!wait_until(forwards, Millis{10000}, Millis{2})) {
      throw std::runtime_error("the bridge does not forward for " + name);
    }
  }
  void write_here(const std::string& path, const std::string& text) const {
    const InsideNamespace here(fd.get());
    std::ofstream file(path);
    if (!(file << text << std::flush)) throw std::runtime_error("cannot write " + path);
  }
  ~State() {
    try {
      remove_namespace(namespace_name);
    } catch (const std::exception&) {
      // The next run removes it.
    }
  }
};

const std::string& Host::name() const {
  return state_->name;
}

const std::string& Host::namespace_name() const {
  return state_->namespace_name;
}

int Host::namespace_fd() const {
  return state_->fd.get();
}

IpAddress Host::address() const {
  return state_->address;
}

IpAddress Host::address_v6() const {
  return state_->address_v6;
}

IpAddress Host::link_local() const {
  std::istringstream words(run_or_throw(
      {"ip", "-n", namespace_name(), "-6", "-oneline", "address", "show", "dev", "eth0", "scope", "link"}));
  for (std::string word; words >> word;) {
    if (word != "inet6" || !(words >> word)) continue;
    if (const auto cidr = Cidr::parse(word)) return cidr->address;
  }
  throw std::runtime_error(name() + " has no link-local address");
}

Process Host::spawn(std::vector<std::string> argv, Process::Options options) const {
  options.network_namespace = namespace_fd();
  return {std::move(argv), options};
}

CommandResult Host::run(std::vector<std::string> argv, Millis limit, Process::Options options) const {
  options.network_namespace = namespace_fd();
  return run_command(std::move(argv), limit, options);
}

std::string Host::mac() const {
  std::string text =
      run_or_throw({"ip", "netns", "exec", namespace_name(), "cat", "/sys/class/net/eth0/address"});
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

bool Host::has_address(const IpAddress& address) const {
  return call([&] { return is_local_address(address); });
}

void Host::remove_address(const IpAddress& address) const {
  run_or_throw({"ip", "-n", namespace_name(), "address", "del", host_prefix(address), "dev", "eth0"});
}

void Host::add_address(const IpAddress& address) const {
  run_or_throw({"ip", "-n", namespace_name(), "address", "add", host_prefix(address), "dev", "eth0"});
}

void Host::set_hop_limit(unsigned limit) const {
  state_->write_here("/proc/sys/net/ipv6/conf/eth0/hop_limit", std::to_string(limit));
}

std::string Host::neighbour(const IpAddress& address) const {
  std::istringstream words(
      run_or_throw({"ip", "-n", namespace_name(), "neighbour", "show", "to", address.to_string()}));
  for (std::string word; words >> word;) {
    if (word == "lladdr" && words >> word) return word;
  }
  return "";
}

void Host::forget_neighbour(const IpAddress& address) const {
  run_or_throw({"ip", "-n", namespace_name(), "neighbour", "flush", "to", address.to_string(), "nud", "all"});
}

void Host::pull_cable() {
  run_or_throw({"ip", "-n", state_->bridge_namespace, "link", "set", state_->name, "down"});
}

void Host::plug_cable() {
  run_or_throw({"ip", "-n", state_->bridge_namespace, "link", "set", state_->name, "up"});
}

void Host::isolate() {
  run_or_throw({"ip", "-n", state_->bridge_namespace, "link", "set", state_->name, "nomaster"});
}

void Host::rejoin() {
  run_or_throw({"ip", "-n", state_->bridge_namespace, "link", "set", state_->name, "master", "br0"});
}

void Host::drop_packets_to(const SocketAddress& target) {
  // Where they have left the sender's stack: a packet dropped in its output hook is an error that it sees.
  const bool is_loopback = target.ip().to_string().starts_with("127.") || target.ip().to_string() == "::1";
  std::string rule = (target.ip().is_v4() ? "ip daddr " : "ip6 daddr ") + target.ip().to_string();
  if (target.port() != 0) rule += " th dport " + std::to_string(target.port());
  if (is_loopback) {
    add_drop_rule(namespace_name(), std::string("inet ") + kLoopbackTable, "prerouting", rule);
  } else {
    drop_on_the_bridge(rule);
  }
}

void Host::drop_protocol(unsigned protocol) {
  drop_on_the_bridge("ip protocol " + std::to_string(protocol));
  drop_on_the_bridge("ip6 nexthdr " + std::to_string(protocol));
}

void Host::drop_on_the_bridge(const std::string& rule) {
  add_drop_rule(state_->bridge_namespace, "bridge drop_" + name(), "forward",
                "iifname \"" + name() + "\" " + rule);
}

void Host::stop_dropping() {
  run_command(
      {"ip", "netns", "exec", namespace_name(), "nft", "delete table inet " + std::string(kLoopbackTable)});
  run_command({"ip", "netns", "exec", state_->bridge_namespace, "nft", "delete table bridge drop_" + name()});
}

Network::Network() {
  static std::atomic<unsigned> count{0};
  remove_left_overs();
  prefix_ = std::string(kPrefix) + std::to_string(getpid()) + "-" + std::to_string(++count);
  const std::string bridge = prefix_ + "-bridge";
  run_or_throw({"ip", "netns", "add", bridge});
  try {
    bridge_ = open_namespace(std::string(kFolder) + "/" + bridge);
    run_or_throw({"ip", "-n", bridge, "link", "set", "lo", "up"});
    // No learning of multicast groups: a switch that floods, as in most racks.
    run_or_throw({"ip", "-n", bridge, "link", "add", "name", "br0", "type", "bridge", "forward_delay", "0",
                  "mcast_snooping", "0"});
    run_or_throw({"ip", "-n", bridge, "link", "set", "br0", "up"});
  } catch (...) {
    remove_namespace(bridge);
    throw;
  }
}

Network::~Network() {
  hosts_.clear();
  try {
    remove_namespace(prefix_ + "-bridge");
  } catch (const std::exception&) {
    // The next run removes it.
  }
}

Host Network::host(const std::string& name, unsigned last_octet) {
  const auto with_name = [&](const auto& known) { return known->name == name; };
  const auto known = std::find_if(hosts_.begin(), hosts_.end(), with_name);
  if (known != hosts_.end()) return Host(**known);

  const auto address_of = [](unsigned octet) {
    return *IpAddress::parse("10.77.0." + std::to_string(octet));
  };
  const auto is_taken = [&](unsigned octet) {
    return std::any_of(hosts_.begin(), hosts_.end(),
                       [&](const auto& other) { return other->address == address_of(octet); });
  };
  if (last_octet == 0) {
    last_octet = 10;
    while (is_taken(last_octet)) ++last_octet;
  } else if (is_taken(last_octet)) {
    throw std::runtime_error(name + ": 10.77.0." + std::to_string(last_octet) + " is taken");
  }
  hosts_.push_back(std::make_unique<Host::State>(name, prefix_, address_of(last_octet)));
  return Host(*hosts_.back());
}

}  // namespace vipward::test
