#include <algorithm>
#include <map>

#include "config/sections.h"
#include "config/values.h"

namespace vipward::config {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kListenExample = "10.0.0.100:6443, \"[fd00::100]:6443\" or vip:6443";
constexpr std::string_view kBackendExample = "10.0.0.11:6443 or \"[fd00::11]:6443\"";
constexpr Millis kLongest = 720h;
constexpr std::size_t kMostServices = 256;
constexpr std::size_t kMostListens = 64;
constexpr std::size_t kMostBackends = 256;

// Who had a name or an address first: nullptr the first time, then the path of the first use.
template <class Key>
class FirstUses {
 public:
  const std::string* note(const Key& key, const std::string& path) {
    const auto [first, fresh] = uses_.try_emplace(key, path);
    return fresh ? nullptr : &first->second;
  }

 private:
  std::map<Key, std::string> uses_;
};

// Absent: `name` stays what the caller has put there.
void read_name(MappingReader& map, std::string& name) {
  std::string text;
  if (map.text("name", text) != Found::Good) return;
  if (!is_name(text)) {
    map.fail("name", quoted(text) + " is not a name, allowed: 1 to 63 letters, digits, '.', '_' and '-'");
    return;
  }
  name = std::move(text);
}

std::optional<ListenConfig> read_vip_listen(const Value& value, const std::string& text) {
  const auto port = parse_whole_number(std::string_view(text).substr(4));
  if (!port || *port < 1 || *port > 65535) {
    value.fail(quoted(text) + " has no port from 1 to 65535, allowed: " + std::string(kListenExample));
    return std::nullopt;
  }
  return ListenConfig{.address = std::nullopt, .port = static_cast<std::uint16_t>(*port)};
}

std::optional<ListenConfig> read_listen(const Value& value) {
  const auto text = value.text();
  if (!text) return std::nullopt;
  if (text->starts_with("vip:")) return read_vip_listen(value, *text);
  const auto address = read_socket_address(value, *text, kListenExample);
  if (!address) return std::nullopt;
  return ListenConfig{.address = *address, .port = address->port()};
}

void read_listens(MappingReader& map, ServiceConfig& service, std::size_t index, Findings& findings) {
  const auto value =
      map.require("listen", "required, allowed: " + std::string(kListenExample) + ", or a list of them");
  if (!value) return;
  const std::string allowed = "allowed: " + std::string(kListenExample);
  const auto items = value->one_or_more({.if_empty = allowed, .most = kMostListens});
  for (const Value& item : items) {
    const auto listen = read_listen(item);
    if (!listen) continue;
    service.listen.push_back(*listen);
    findings.listens.push_back(
        {.listen = *listen, .service = index, .place = Place{item.position(), item.path()}});
  }
}

// Returns where the address stands; nullopt after an error.
std::optional<Value> read_backend(const Value& item, BackendConfig& backend) {
  std::optional<Value> address = item;
  std::string name;
  if (!item.is_scalar()) {
    MappingReader map(item);
    read_name(map, name);
    address = map.require("address", "required, allowed: " + std::string(kBackendExample));
    map.whole_number("weight", backend.weight, 1, 1000);
  }
  if (!address) return std::nullopt;
  const auto text = address->text();
  if (!text) return std::nullopt;
  const auto parsed = read_socket_address(*address, *text, kBackendExample);
  if (!parsed) return std::nullopt;
  if (parsed->ip().is_unspecified()) {
    address->fail(*text +
                  " is no host's address, allowed: the address of one apiserver, such as 10.0.0.11:6443");
    return std::nullopt;
  }
  backend.address = *parsed;
  backend.name = name.empty() ? parsed->to_string() : name;
  return address;
}

void read_backends(MappingReader& map, ServiceConfig& service, std::size_t index, Findings& findings) {
  constexpr std::string_view kWhat = "a list of at least one address such as 10.0.0.11:6443";
  const auto list = map.require("backends", "required, " + std::string(kWhat));
  if (!list) return;
  const auto items = list->items({.if_empty = kWhat, .most = kMostBackends});
  FirstUses<std::string> names;
  FirstUses<SocketAddress> addresses;
  for (const Value& item : items) {
    BackendConfig backend;
    const auto address = read_backend(item, backend);
    if (!address) continue;
    if (const auto* first = addresses.note(backend.address, item.path())) {
      address->fail(backend.address.to_string() + " is the address of " + *first + " already");
    } else if (const auto* namesake = names.note(backend.name, item.path())) {
      item.fail("the name " + quoted(backend.name) + " is that of " + *namesake + " already");
    }
    findings.backends.push_back({backend.address, {address->position(), address->path()}, index});
    service.backends.push_back(std::move(backend));
  }
}

void read_connect(MappingReader& service_map, ServiceConfig& service) {
  MappingReader map(service_map, "connect");
  const DurationRule rule{.min = 10ms, .max = 10min};
  const Found timeout = map.duration("timeout", service.connect_timeout, rule);
  const Found deadline = map.duration("deadline", service.connect_deadline, rule);
  if (timeout == Found::Absent) {
    service.connect_timeout = std::min(service.connect_timeout, service.connect_deadline);
  }
  if (timeout == Found::Good && deadline != Found::Bad &&
      service.connect_timeout > service.connect_deadline) {
    map.fail("timeout", format_duration(service.connect_timeout) + " must not exceed connect.deadline (" +
                            format_duration(service.connect_deadline) + ")");
  }
}

void read_first_data(MappingReader& map, ServiceConfig& service) {
  const auto value = map.take("first_data_timeout");
  if (!value) return;
  // Tools that write YAML 1.1 turn `off` into `false`.
  if (value->is_word("off") || value->is_word("false")) {
    service.first_data_timeout = std::nullopt;
  } else if (const auto timeout = value->duration({.min = 10ms, .max = 24h, .words = "off"})) {
    service.first_data_timeout = *timeout;
  }
}

void read_keepalive(MappingReader& service_map, KeepaliveConfig& keepalive) {
  MappingReader map(service_map, "keepalive");
  // The kernel's limits (tcp(7), MAX_TCP_KEEPIDLE and its neighbours).
  const DurationRule rule{.min = 1s, .max = 32767s};
  map.whole_seconds("idle", keepalive.idle, rule);
  map.whole_seconds("interval", keepalive.interval, rule);
  map.whole_number("count", keepalive.count, 1, 127);
}

void read_drain(MappingReader& service_map, ServiceConfig& service) {
  MappingReader map(service_map, "drain");
  map.duration("timeout", service.drain_timeout, {.min = 10ms, .max = kLongest, .or_zero = true});
}

void read_service(const Value& value, std::size_t index, ServiceConfig& service, Findings& findings) {
  MappingReader map(value);
  service.name = "service-" + std::to_string(index + 1);
  if (map.is_broken()) return;
  read_name(map, service.name);
  read_listens(map, service, index, findings);
  map.choice<BalanceAlgorithm>("balance", service.balance,
                               {{"least_connections", BalanceAlgorithm::LeastConnections},
                                {"round_robin", BalanceAlgorithm::RoundRobin}});
  read_backends(map, service, index, findings);
  read_health_check(map, service.health_check);
  read_connect(map, service);
  read_first_data(map, service);
  read_keepalive(map, service.keepalive);
  map.duration("tcp_user_timeout", service.tcp_user_timeout, {.min = 10ms, .max = 24h, .or_zero = true});
  map.duration("idle_timeout", service.idle_timeout, {.min = 10ms, .max = kLongest, .or_zero = true});
  map.duration("half_close_timeout", service.half_close_timeout, {.min = 10ms, .max = kLongest});
  read_drain(map, service);
  map.choice<WhenNoneReady>("when_none_ready", service.when_none_ready,
                            {{"fail_open", WhenNoneReady::FailOpen}, {"refuse", WhenNoneReady::Refuse}});
  map.whole_number("max_connections", service.max_connections, 0, 1'000'000);
  read_networks(map, "allow", service.allow);
  map.boolean("access_log", service.access_log);
}

}  // namespace

void read_services(MappingReader& root, std::vector<ServiceConfig>& services, Findings& findings) {
  constexpr std::string_view kWhat = "a list of at least one service";
  const auto list = root.require("services", "required, " + std::string(kWhat));
  if (!list) return;
  const auto items = list->items({.if_empty = kWhat, .most = kMostServices});
  FirstUses<std::string> names;
  for (std::size_t i = 0; i < items.size(); ++i) {
    ServiceConfig service;
    read_service(items[i], i, service, findings);
    if (const auto* first = names.note(service.name, items[i].path())) {
      items[i].fail("the name " + quoted(service.name) + " is that of " + *first + " already");
    }
    services.push_back(std::move(service));
  }
}

}  // namespace vipward::config
