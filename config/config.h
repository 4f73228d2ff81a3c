// The configuration as plain values, complete and checked: every default is filled in. Immutable once loaded,
// passed by value; any thread. Keys and meaning: the configuration reference (config/full.yaml).
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lb/net/address.h"

namespace vipward {

using Millis = std::chrono::milliseconds;

enum class BalanceAlgorithm : std::uint8_t { LeastConnections, RoundRobin };
enum class CheckProtocol : std::uint8_t { Https, Http, Tls, Tcp };
enum class WhenNoneReady : std::uint8_t { FailOpen, Refuse };

struct BackendConfig {
  std::string name;
  SocketAddress address;
  unsigned weight = 1;  // 1 to 1000
  bool operator==(const BackendConfig&) const = default;
};

struct CheckTlsConfig {
  std::optional<std::string> ca_file;
  std::optional<std::string> server_name;  // SNI and the name verified; absent: the backend's address, no SNI
  std::optional<std::string> certificate_file;
  std::optional<std::string> key_file;
  bool insecure_skip_verify = false;
  bool operator==(const CheckTlsConfig&) const = default;
};

struct HealthCheckConfig {
  CheckProtocol protocol = CheckProtocol::Https;
  std::optional<std::uint16_t> port;  // absent: the backend's
  std::vector<std::string> paths{"/healthz", "/readyz"};
  std::vector<int> expected_status{200};
  Millis interval{1000};
  Millis fast_interval{250};
  double jitter = 0.10;  // share of the interval, 0 to 0.5
  Millis connect_timeout{2000};
  Millis response_timeout{5000};
  int rise = 2;
  int fall = 3;
  CheckTlsConfig tls;
  std::optional<std::string> bearer_token_file;
  bool operator==(const HealthCheckConfig&) const = default;
};

struct KeepaliveConfig {
  std::chrono::seconds idle{10};
  std::chrono::seconds interval{5};
  int count = 3;
  bool operator==(const KeepaliveConfig&) const = default;
};

// Where a service listens: an address, or a port on every VIP ("vip:6443").
struct ListenConfig {
  std::optional<SocketAddress> address;  // absent: `port` on every VIP
  std::uint16_t port = 0;
  bool operator==(const ListenConfig&) const = default;
};

struct ServiceConfig {
  std::string name;
  std::vector<ListenConfig> listen;
  BalanceAlgorithm balance = BalanceAlgorithm::LeastConnections;
  std::vector<BackendConfig> backends;
  HealthCheckConfig health_check;
  Millis connect_timeout{1500};                             // one attempt
  Millis connect_deadline{5000};                            // all attempts together
  std::optional<Millis> first_data_timeout{Millis{10000}};  // absent: off, connect at once
  KeepaliveConfig keepalive;
  Millis tcp_user_timeout{0};  // 0: off
  Millis idle_timeout{0};      // 0: never
  Millis half_close_timeout{60000};
  Millis drain_timeout{130000};
  WhenNoneReady when_none_ready = WhenNoneReady::FailOpen;
  unsigned max_connections = 0;  // 0: what the descriptor limit allows
  std::vector<Cidr> allow;       // empty: everyone
  bool access_log = true;
  bool operator==(const ServiceConfig&) const = default;
};

enum class FailbackMode : std::uint8_t { Never, Immediately, After };
enum class VrrpChecksum : std::uint8_t { PseudoHeader, Rfc9568 };

// The virtual IPs of one instance of VRRP; see vip_family.h for what a mixture means.
struct VipConfig {
  std::vector<Cidr> addresses;           // at least one
  std::vector<IpAddress> peers;          // all hosts, this one too; of one family; empty: multicast
  std::optional<std::string> interface;  // absent: auto
  std::vector<std::string> track_interfaces;
  std::uint8_t virtual_router_id = 0;  // 1 to 255
  int priority = 100;                  // 1 to 254
  int version = 3;
  Millis advertise_interval{200};
  FailbackMode failback = FailbackMode::Never;
  Millis failback_delay{0};  // FailbackMode::After
  Millis startup_delay{5000};
  bool release_on_no_backend = false;
  VrrpChecksum checksum = VrrpChecksum::PseudoHeader;
  std::optional<std::string> v2_password_file;
  std::optional<std::chrono::seconds> address_lifetime;  // absent: auto; 0: permanent
  Millis garp_refresh{30000};
  bool operator==(const VipConfig&) const = default;
};

struct AdminConfig {
  std::vector<SocketAddress> listen;  // default 127.0.0.1:9643
  std::vector<Cidr> allow;
  bool operator==(const AdminConfig&) const = default;
};

struct ControlSocketConfig {
  std::string path = "/run/vipward/control.sock";
  mode_t mode = 0600;
  std::optional<std::string> group;
  bool operator==(const ControlSocketConfig&) const = default;
};

enum class LogLevelConfig : std::uint8_t { Debug, Info, Warn, Error };

struct LogConfig {
  LogLevelConfig level = LogLevelConfig::Info;
  bool json = false;
  bool operator==(const LogConfig&) const = default;
};

struct Config {
  std::vector<ServiceConfig> services;
  std::optional<VipConfig> vip;
  AdminConfig admin;
  ControlSocketConfig control_socket;
  std::string user = "vipward";
  std::optional<unsigned> workers;  // 1 to 8; absent: auto, min(cores, 4)
  LogConfig log;
  std::string hash;  // of the file's text, 16 hex digits: config_info{hash}
  bool operator==(const Config&) const = default;
};

}  // namespace vipward
