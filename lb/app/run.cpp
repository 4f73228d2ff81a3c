#include "lb/app/run.h"

#include <grp.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "config/load.h"
#include "lb/app/proxy_app.h"
#include "lb/net/socket.h"
#include "lb/version.h"

namespace vipward {
namespace {

void print_lines(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) std::fprintf(stderr, "%s\n", line.c_str());
}

// systemd's soft limit is 1024: raises it to the hard one and returns what holds now.
std::uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}

// A session takes two descriptors. The reserve is for everything else: checks, admin connections, files, the
// loops.
std::uint32_t session_capacity(const Config& config, std::uint64_t descriptor_limit) {
  std::uint64_t reserve = 128 + 64 * (config.admin.listen.size() + 1);
  for (const ServiceConfig& service : config.services)
    reserve += service.listen.size() + 2 * service.backends.size();
  reserve = std::min(reserve, descriptor_limit / 2);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>((descriptor_limit - reserve) / 2, 10'000'000));
}

UnixSocketRights control_rights(const ControlSocketConfig& config) {
  UnixSocketRights rights{.mode = config.mode, .group = std::nullopt};
  if (!config.group) return rights;
  // Before any other thread that could ask for a group.
  const group* entry = getgrnam(config.group->c_str());  // NOLINT(concurrency-mt-unsafe)
  if (entry == nullptr) throw std::runtime_error("control_socket.group: there is no group " + *config.group);
  rights.group = entry->gr_gid;
  return rights;
}

Fd open_listener(const SocketAddress& address, std::string_view service, Log& log) {
  Fd listener = listen_tcp(address);
  log.info("listening", {{"service", service}, {"address", address.to_string()}});
  if (!is_local_address(address.ip())) {
    log.warn("this host does not have the address now, clients arrive once it does",
             {{"address", address.to_string()}});
  }
  return listener;
}

AppListeners open_listeners(const Config& config, Log& log) {
  AppListeners listeners;
  listeners.services.resize(config.workers.value_or(1));  // more than one is planned, and refused before this
  for (std::size_t i = 0; i < config.services.size(); ++i) {
    for (const ListenConfig& listen : config.services[i].listen) {
      listeners.services.front().push_back(
          {.service = i, .socket = open_listener(*listen.address, config.services[i].name, log)});
      for (std::size_t worker = 1; worker < listeners.services.size(); ++worker) {
        listeners.services[worker].push_back({.service = i, .socket = listen_tcp_beside(*listen.address)});
      }
    }
  }
  for (const SocketAddress& address : config.admin.listen) {
    listeners.admin.push_back(open_listener(address, "admin", log));
  }
  return listeners;
}

// The socket file goes with its listener.
class ControlSocket {
 public:
  explicit ControlSocket(const ControlSocketConfig& config)
      : path_(config.path), listener_(listen_unix(config.path, control_rights(config))) {}
  ~ControlSocket() { unlink(path_.c_str()); }
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

  Fd take_listener() { return std::move(listener_); }

 private:
  std::string path_;
  Fd listener_;
};

LogLevel log_level(LogLevelConfig level) {
  switch (level) {
    case LogLevelConfig::Debug:
      return LogLevel::Debug;
    case LogLevelConfig::Info:
      return LogLevel::Info;
    case LogLevelConfig::Warn:
      return LogLevel::Warn;
    case LogLevelConfig::Error:
      return LogLevel::Error;
  }
  return LogLevel::Info;
}

Log::Options log_options(const LogConfig& config) {
  Log::Options options;
  options.level = log_level(config.level);
  options.format = config.json ? LogFormat::Json : LogFormat::Text;
  return options;
}

void warn_of_limits(const Config& config, std::uint32_t capacity, Log& log) {
  for (const ServiceConfig& service : config.services) {
    if (service.max_connections <= capacity) continue;
    log.warn("max_connections is more than the descriptor limit allows, beyond it clients wait",
             {{"service", service.name},
              {"max_connections", service.max_connections},
              {"descriptors_allow", capacity}});
  }
}

// The control socket comes first: a second vipward must not take a single client of the first one before it
// finds out that it is one. The service's listeners come last, when nothing can fail any more.
int serve(Config config) {
  Log log(log_options(config.log));
  const std::uint64_t descriptor_limit = raise_descriptor_limit();
  const std::uint32_t capacity = session_capacity(config, descriptor_limit);
  log.info("starting", {{"version", version()},
                        {"revision", revision()},
                        {"config_hash", config.hash},
                        {"descriptor_limit", descriptor_limit},
                        {"connections_limit", capacity}});
  warn_of_limits(config, capacity, log);
  ControlSocket control(config.control_socket);
  ProxyApp app(log, config, capacity);
  if (const auto problems = app.prepare(); !problems.empty()) {
    print_lines(problems);
    return 1;
  }
  AppListeners listeners = open_listeners(config, log);
  listeners.control = control.take_listener();
  app.run(std::move(listeners));
  log.info("stopped");
  return 0;
}

}  // namespace

int run(const std::string& config_path) {
  std::signal(SIGPIPE, SIG_IGN);
  LoadResult loaded = load_config_file(config_path);
  print_lines(loaded.errors);
  print_lines(loaded.planned);
  if (!loaded.config || !loaded.planned.empty()) return 1;
  try {
    return serve(std::move(*loaded.config));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "vipward: %s\n", error.what());
    return 1;
  }
}

}  // namespace vipward
