#include "config/difference.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include "config/values.h"
#include "config/vip_family.h"

namespace vipward::config {
namespace {

std::string text_of(const std::string& value) {
  return value;
}
std::string text_of(Millis value) {
  return format_duration(value);
}
std::string text_of(std::chrono::seconds value) {
  return std::to_string(value.count()) + "s";
}
std::string text_of(bool value) {
  return value ? "true" : "false";
}
std::string text_of(const IpAddress& value) {
  return value.to_string();
}
std::string text_of(const SocketAddress& value) {
  return value.to_string();
}
std::string text_of(const Cidr& value) {
  return value.to_string();
}
template <class Number>
requires std::is_arithmetic_v<Number> std::string text_of(Number value) {
  return std::to_string(value);
}
template <class T>
std::string text_of(const std::optional<T>& value) {
  return value ? text_of(*value) : "none";
}

// What two lists have in common, by equality.
template <class T>
Difference::Count count_of(const std::vector<T>& from, const std::vector<T>& to) {
  const auto kept = static_cast<std::size_t>(
      std::ranges::count_if(from, [&](const T& one) { return std::ranges::find(to, one) != to.end(); }));
  return {.added = to.size() - kept, .removed = from.size() - kept, .kept = kept};
}
void add(Difference::Count& sum, const Difference::Count& more) {
  sum.added += more.added;
  sum.removed += more.removed;
  sum.kept += more.kept;
}

// Collects what changed below one path of the file.
class Changes {
 public:
  Changes(std::vector<std::string>& lines, std::string path) : lines_(lines), path_(std::move(path)) {}

  Changes below(const std::string& key) const { return {lines_, path_ + key}; }
  void say(const std::string& what) { lines_.push_back(path_ + what); }
  template <class T>
  void compare(const std::string& key, const T& from, const T& to) {
    if (!(from == to)) say(key + " " + text_of(from) + " -> " + text_of(to));
  }
  // Values that need no words of their own.
  template <class T>
  void compare_silently(const std::string& key, const T& from, const T& to) {
    if (!(from == to)) say(key + " changed");
  }
  // "NOUN ITEM removed", "NOUN ITEM added".
  template <class T, class Text>
  void compare_lists(const std::string& noun, const std::vector<T>& from, const std::vector<T>& to,
                     Text text) {
    for (const T& one : from) {
      if (std::ranges::find(to, one) == to.end()) say(noun + " " + text(one) + " removed");
    }
    for (const T& one : to) {
      if (std::ranges::find(from, one) == from.end()) say(noun + " " + text(one) + " added");
    }
  }
  template <class T>
  void compare_lists(const std::string& noun, const std::vector<T>& from, const std::vector<T>& to) {
    compare_lists(noun, from, to, [](const T& one) { return text_of(one); });
  }

 private:
  std::vector<std::string>& lines_;
  std::string path_;
};

std::string listen_text(const ListenConfig& listen) {
  return listen.address ? listen.address->to_string() : "vip:" + std::to_string(listen.port);
}

std::string backend_text(const BackendConfig& backend) {
  const std::string address = backend.address.to_string();
  return backend.name == address ? address : backend.name + " (" + address + ")";
}

const BackendConfig* find_backend(const ServiceConfig& service, const BackendConfig& backend) {
  const auto found = std::ranges::find_if(service.backends, [&](const BackendConfig& other) {
    return other.name == backend.name && other.address == backend.address;
  });
  return found == service.backends.end() ? nullptr : &*found;
}

// The one at that address, which a service has once, if it is called otherwise now.
const BackendConfig* find_renamed(const ServiceConfig& service, const BackendConfig& backend) {
  const auto found = std::ranges::find(service.backends, backend.address, &BackendConfig::address);
  return found == service.backends.end() || found->name == backend.name ? nullptr : &*found;
}

const ServiceConfig* find_service(const Config& config, const std::string& name) {
  const auto found = std::ranges::find(config.services, name, &ServiceConfig::name);
  return found == config.services.end() ? nullptr : &*found;
}

std::string balance_text(BalanceAlgorithm algorithm) {
  return algorithm == BalanceAlgorithm::RoundRobin ? "round_robin" : "least_connections";
}

std::string none_ready_text(WhenNoneReady what) {
  return what == WhenNoneReady::Refuse ? "refuse" : "fail_open";
}

std::string protocol_text(CheckProtocol protocol) {
  switch (protocol) {
    case CheckProtocol::Https:
      return "https";
    case CheckProtocol::Http:
      return "http";
    case CheckProtocol::Tls:
      return "tls";
    case CheckProtocol::Tcp:
      break;
  }
  return "tcp";
}

std::string level_text(LogLevelConfig level) {
  switch (level) {
    case LogLevelConfig::Debug:
      return "debug";
    case LogLevelConfig::Info:
      return "info";
    case LogLevelConfig::Warn:
      return "warn";
    case LogLevelConfig::Error:
      break;
  }
  return "error";
}

std::string failback_text(const VipConfig& vip) {
  switch (vip.failback) {
    case FailbackMode::Never:
      return "never";
    case FailbackMode::Immediately:
      return "immediately";
    case FailbackMode::After:
      break;
  }
  return text_of(vip.failback_delay);
}

std::string no_backend_text(const VipConfig& vip) {
  return vip.release_on_no_backend ? "release" : "keep";
}

std::string checksum_text(const VipConfig& vip) {
  return vip.checksum == VrrpChecksum::Rfc9568 ? "rfc9568" : "pseudo_header";
}

std::string lifetime_text(const VipConfig& vip) {
  return vip.address_lifetime ? text_of(*vip.address_lifetime) : "auto";
}

std::string first_data_text(const ServiceConfig& service) {
  return service.first_data_timeout ? text_of(*service.first_data_timeout) : "off";
}

std::string workers_text(const std::optional<unsigned>& workers) {
  return workers ? std::to_string(*workers) : "auto";
}

std::string mode_text(mode_t mode) {
  char text[8];
  std::snprintf(text, sizeof text, "%04o", static_cast<unsigned>(mode));
  return text;
}

void compare_backends(Changes& changes, const ServiceConfig& from, const ServiceConfig& to,
                      std::vector<DepartingBackend>& departing) {
  for (const BackendConfig& before : from.backends) {
    if (const BackendConfig* now = find_backend(to, before)) {
      changes.compare("backend " + before.name + ": weight", before.weight, now->weight);
      continue;
    }
    if (const BackendConfig* now = find_renamed(to, before)) {
      changes.say("backend " + backend_text(before) + " is called " + now->name + " now");
      changes.compare("backend " + now->name + ": weight", before.weight, now->weight);
      continue;
    }
    changes.say("backend " + backend_text(before) + " removed, its sessions end within " +
                text_of(from.drain_timeout));
    departing.push_back({from.name, before.name, before.address, from.drain_timeout});
  }
  for (const BackendConfig& now : to.backends) {
    if (find_backend(from, now) == nullptr && find_renamed(from, now) == nullptr)
      changes.say("backend " + backend_text(now) + " added");
  }
}

void compare_checks(Changes changes, const HealthCheckConfig& from, const HealthCheckConfig& to) {
  changes.compare("protocol", protocol_text(from.protocol), protocol_text(to.protocol));
  changes.compare("port", from.port, to.port);
  changes.compare_silently("paths", from.paths, to.paths);
  changes.compare_silently("expected_status", from.expected_status, to.expected_status);
  changes.compare("interval", from.interval, to.interval);
  changes.compare("fast_interval", from.fast_interval, to.fast_interval);
  changes.compare_silently("jitter", from.jitter, to.jitter);
  changes.compare("connect_timeout", from.connect_timeout, to.connect_timeout);
  changes.compare("response_timeout", from.response_timeout, to.response_timeout);
  changes.compare("rise", from.rise, to.rise);
  changes.compare("fall", from.fall, to.fall);
  changes.compare("tls.ca_file", from.tls.ca_file, to.tls.ca_file);
  changes.compare("tls.server_name", from.tls.server_name, to.tls.server_name);
  changes.compare("tls.certificate_file", from.tls.certificate_file, to.tls.certificate_file);
  changes.compare("tls.key_file", from.tls.key_file, to.tls.key_file);
  changes.compare("tls.insecure_skip_verify", from.tls.insecure_skip_verify, to.tls.insecure_skip_verify);
  changes.compare("bearer_token_file", from.bearer_token_file, to.bearer_token_file);
}

void compare_services(Changes changes, const ServiceConfig& from, const ServiceConfig& to,
                      std::vector<DepartingBackend>& departing) {
  changes.compare_lists("listen", from.listen, to.listen, listen_text);
  changes.compare("balance", balance_text(from.balance), balance_text(to.balance));
  compare_backends(changes, from, to, departing);
  compare_checks(changes.below("health_check."), from.health_check, to.health_check);
  changes.compare("connect.timeout", from.connect_timeout, to.connect_timeout);
  changes.compare("connect.deadline", from.connect_deadline, to.connect_deadline);
  changes.compare("first_data_timeout", first_data_text(from), first_data_text(to));
  changes.compare("keepalive.idle", from.keepalive.idle, to.keepalive.idle);
  changes.compare("keepalive.interval", from.keepalive.interval, to.keepalive.interval);
  changes.compare("keepalive.count", from.keepalive.count, to.keepalive.count);
  changes.compare("tcp_user_timeout", from.tcp_user_timeout, to.tcp_user_timeout);
  changes.compare("idle_timeout", from.idle_timeout, to.idle_timeout);
  changes.compare("half_close_timeout", from.half_close_timeout, to.half_close_timeout);
  changes.compare("drain.timeout", from.drain_timeout, to.drain_timeout);
  changes.compare("when_none_ready", none_ready_text(from.when_none_ready),
                  none_ready_text(to.when_none_ready));
  changes.compare("max_connections", from.max_connections, to.max_connections);
  changes.compare_lists("allow", from.allow, to.allow);
  changes.compare("access_log", from.access_log, to.access_log);
}

// As the other one names and weighs them: a backend that was only renamed, or weighs something else, is kept.
std::vector<BackendConfig> as_named_by(const ServiceConfig& other, std::vector<BackendConfig> backends) {
  for (BackendConfig& backend : backends) {
    if (const BackendConfig* renamed = find_renamed(other, backend)) backend.name = renamed->name;
    backend.weight = 1;
  }
  return backends;
}

// Of a service that one of the two has not: nothing.
void count_service(const ServiceConfig& from, const ServiceConfig& to, Difference& difference) {
  add(difference.listeners, count_of(from.listen, to.listen));
  add(difference.backends, count_of(as_named_by(to, from.backends), as_named_by(to, to.backends)));
}

void compare_all_services(const Config& from, const Config& to, Difference& difference) {
  for (const ServiceConfig& before : from.services) {
    if (const ServiceConfig* now = find_service(to, before.name)) {
      compare_services(Changes(difference.changes, before.name + ": "), before, *now, difference.departing);
      count_service(before, *now, difference);
      continue;
    }
    count_service(before, {}, difference);
    difference.changes.push_back(before.name + ": service removed, its sessions end within " +
                                 text_of(before.drain_timeout));
    for (const BackendConfig& backend : before.backends)
      difference.departing.push_back({before.name, backend.name, backend.address, before.drain_timeout});
  }
  for (const ServiceConfig& now : to.services) {
    if (find_service(from, now.name) != nullptr) continue;
    count_service({}, now, difference);
    difference.changes.push_back(now.name + ": service added");
  }
}

void compare_vips(Changes changes, const VipConfig& from, const VipConfig& to) {
  changes.compare_lists("addresses", from.addresses, to.addresses);
  changes.compare_lists("peers", from.peers, to.peers);
  changes.compare_lists("track_interfaces", from.track_interfaces, to.track_interfaces);
  changes.compare("priority", from.priority, to.priority);
  changes.compare("advertise_interval", from.advertise_interval, to.advertise_interval);
  changes.compare("failback", failback_text(from), failback_text(to));
  changes.compare("startup_delay", from.startup_delay, to.startup_delay);
  changes.compare("on_no_backend", no_backend_text(from), no_backend_text(to));
  changes.compare("checksum", checksum_text(from), checksum_text(to));
  changes.compare("v2_password_file", from.v2_password_file, to.v2_password_file);
  changes.compare("address_lifetime", lifetime_text(from), lifetime_text(to));
  changes.compare("garp_refresh", from.garp_refresh, to.garp_refresh);
}

// Over IPv6 the source is another one, which the peers that still have the old configuration take for a
// stranger's.
std::string source_text(const VipConfig& vip) {
  return speaks_link_local(vip) ? "link-local addresses" : "the addresses of peers";
}

// Who does not speak alike is not understood: the host that changes first would hold the address beside the
// other one.
void refuse_other_speech(const VipConfig& from, const VipConfig& to, std::vector<std::string>& refusals) {
  std::vector<std::string> found;
  Changes changes(found, "vip.");
  changes.compare("version", from.version, to.version);
  const bool by_addresses = from.peers.empty() && to.peers.empty();
  changes.compare(by_addresses ? "addresses: VRRP over" : "peers: VRRP over",
                  std::string(family_name(family_of(from))), std::string(family_name(family_of(to))));
  if (family_of(from) == AF_INET6 && family_of(to) == AF_INET6) {
    changes.compare("peers: VRRP from", source_text(from), source_text(to));
  }
  if (from.version == 2 && to.version == 2) {
    changes.compare("advertise_interval", from.advertise_interval, to.advertise_interval);
  }
  for (const std::string& line : found) refusals.push_back(line + ": " + std::string(kOtherSpeech));
}

// What an instance is known by, and what was decided before rights were given up.
void refuse(const Config& from, const Config& to, std::vector<std::string>& refusals) {
  std::vector<std::string> found;
  Changes changes(found, "");
  if (from.vip.has_value() != to.vip.has_value()) changes.say(from.vip ? "vip: removed" : "vip: added");
  if (from.vip && to.vip) {
    changes.compare("vip.interface", from.vip->interface.value_or("auto"),
                    to.vip->interface.value_or("auto"));
    changes.compare("vip.virtual_router_id", from.vip->virtual_router_id, to.vip->virtual_router_id);
    refuse_other_speech(*from.vip, *to.vip, refusals);
  }
  changes.compare("control_socket.path", from.control_socket.path, to.control_socket.path);
  changes.compare("control_socket.mode", mode_text(from.control_socket.mode),
                  mode_text(to.control_socket.mode));
  changes.compare("control_socket.group", from.control_socket.group, to.control_socket.group);
  changes.compare("user", from.user, to.user);
  for (const std::string& line : found)
    refusals.push_back(line + ": this needs a restart of vipward, on the standby first");
}

std::string count_text(const Difference::Count& count) {
  return std::to_string(count.added) + " added, " + std::to_string(count.removed) + " removed, " +
         std::to_string(count.kept) + " kept";
}

}  // namespace

std::string counts_text(const Difference& difference) {
  return "backends: " + count_text(difference.backends) + "; listeners: " + count_text(difference.listeners);
}

Difference difference_of(const Config& from, const Config& to) {
  Difference difference;
  refuse(from, to, difference.refusals);
  compare_all_services(from, to, difference);
  if (from.vip && to.vip) compare_vips(Changes(difference.changes, "vip: "), *from.vip, *to.vip);
  Changes changes(difference.changes, "");
  changes.compare_lists("admin.listen", from.admin.listen, to.admin.listen);
  changes.compare_lists("admin.allow", from.admin.allow, to.admin.allow);
  changes.compare("workers", workers_text(from.workers), workers_text(to.workers));
  changes.compare("log.level", level_text(from.log.level), level_text(to.log.level));
  changes.compare("log.format", std::string(from.log.json ? "json" : "text"),
                  std::string(to.log.json ? "json" : "text"));
  return difference;
}

}  // namespace vipward::config
