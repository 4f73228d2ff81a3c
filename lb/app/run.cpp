#include "lb/app/run.h"

#include <grp.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <system_error>
#include <thread>

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
  const group* entry = getgrnam(config.group->c_str());
  if (entry == nullptr) throw std::runtime_error("control_socket.group: there is no group " + *config.group);
  rights.group = entry->gr_gid;
  return rights;
}

unsigned worker_count(const Config& config) {
  return config.workers.value_or(1);  // more than one is planned, and refused before this
}

AppListeners open_listeners(const Config& config, Log& log) {
  AppListeners listeners;
  listeners.services.resize(worker_count(config));
  for (std::size_t i = 0; i < config.services.size(); ++i) {
    for (const ListenConfig& listen : config.services[i].listen) {
      for (auto& of_worker : listeners.services) {
        of_worker.push_back({.service = i, .socket = listen_tcp(*listen.address)});
      }
      log.info("listening", {{"service", config.services[i].name}, {"address", listen.address->to_string()}});
    }
  }
  for (const SocketAddress& address : config.admin.listen) {
    listeners.admin.push_back(listen_tcp(address));
    log.info("listening", {{"service", "admin"}, {"address", address.to_string()}});
  }
  listeners.control = listen_unix(config.control_socket.path, control_rights(config.control_socket));
  return listeners;
}

Log::Options log_options(const LogConfig& config) {
  return {.level = static_cast<LogLevel>(config.level),
          .format = config.json ? LogFormat::Json : LogFormat::Text};
}

int serve(Config config) {
  Log log(log_options(config.log));
  const std::uint64_t descriptor_limit = raise_descriptor_limit();
  const std::uint32_t capacity = session_capacity(config, descriptor_limit);
  log.info("starting", {{"version", version()},
                        {"revision", revision()},
                        {"config_hash", config.hash},
                        {"descriptor_limit", descriptor_limit},
                        {"connections_limit", capacity}});
  const std::string control_path = config.control_socket.path;
  AppListeners listeners = open_listeners(config, log);
  ProxyApp app(log, std::move(config), std::move(listeners), capacity);
  if (const auto problems = app.prepare(); !problems.empty()) {
    unlink(control_path.c_str());
    print_lines(problems);
    return 1;
  }
  app.run();
  unlink(control_path.c_str());
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
