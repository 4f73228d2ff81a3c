#include "lb/guardian/run.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <utility>

#include "config/load.h"
#include "lb/guardian/account.h"
#include "lb/guardian/guardian_app.h"
#include "lb/guardian/reexecution.h"
#include "lb/guardian/rights.h"
#include "lb/log/log_options.h"
#include "lb/net/fd.h"
#include "lb/net/socket.h"
#include "lb/version.h"

namespace vipward {
namespace {

void print_lines(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) std::fprintf(stderr, "%s\n", line.c_str());
}

UnixSocketRights rights_of(const ControlSocketConfig& config) {
  UnixSocketRights rights{.mode = config.mode, .group = std::nullopt};
  if (config.group) rights.group = find_group(*config.group);
  return rights;
}

// The socket file goes with its listener.
class ControlSocket {
 public:
  explicit ControlSocket(const ControlSocketConfig& config)
      : path_(config.path), listener_(listen_unix(config.path, rights_of(config))) {}
  // The last image's.
  ControlSocket(const ControlSocketConfig& config, Fd listener)
      : path_(config.path), listener_(std::move(listener)) {}
  ~ControlSocket() { unlink(path_.c_str()); }
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

  Fd take_listener() { return std::move(listener_); }

 private:
  std::string path_;
  Fd listener_;
};

void require_rights_for_vip() {
  const std::vector<std::string> missing = missing_for_vip();
  if (missing.empty()) return;
  std::string names;
  for (const std::string& name : missing) names += (names.empty() ? "" : " and ") + name;
  throw std::runtime_error(
      "vip: " + names + (missing.size() > 1 ? " are" : " is") +
      " missing; start vipward as root or with these capabilities, or leave out the vip section");
}

// Its listeners for two configurations, its clients and its proxies, with room to spare.
constexpr std::uint64_t kGuardianDescriptors = 1024;

// What the kernel gives for good: before any other thread runs.
struct Footing {
  std::uint64_t descriptor_limit = 0;
  std::vector<std::string> refusals;
};
Footing take_footing(const Config& config) {
  Footing footing{.descriptor_limit = raise_descriptor_limit(), .refusals = {}};
  if (config.vip) footing.refusals = claim_real_time();
  drop_capabilities();
  // After an execveat(2) it would be a number.
  prctl(PR_SET_NAME, "vipward");
  make_room_for_descriptors(std::min(footing.descriptor_limit, kGuardianDescriptors));
  return footing;
}

int serve(Log& log, GuardianPlan plan) {
  std::vector<std::string> problems;
  // What a next image cannot open is not worth a single session: it goes on, and says so.
  if (!plan.heritage) {
    for (const FileWatch::Opened& opened : plan.files.open_all()) {
      if (!opened.problem.empty()) problems.push_back(opened.problem);
    }
  }
  if (problems.empty()) {
    GuardianApp app(log, std::move(plan));
    problems = app.run();
  }
  print_lines(problems);
  if (!problems.empty()) return 1;
  log.info("stopped");
  return 0;
}

// The control socket comes first: a second vipward must not take a single client of the first one before it
// finds out that it is one. Nothing runs beside this thread until the log does.
int begin(LoadResult loaded, const std::string& config_path) {
  Config config = std::move(*loaded.config);
  if (config.vip) require_rights_for_vip();
  std::optional<Account> account;
  if (geteuid() == 0) account = find_account(config.user);
  if (account) require_closed_to_others(config.control_socket.mode);
  if (account && config.control_socket.group) require_other_group(*config.control_socket.group, *account);
  ControlSocket control(config.control_socket);
  const Footing footing = take_footing(config);

  Log log(log_options(config.log));
  log.info("starting", {{"version", version()},
                        {"revision", revision()},
                        {"config_hash", config.hash},
                        {"descriptor_limit", footing.descriptor_limit}});
  for (const std::string& refusal : footing.refusals) log.warn(refusal);
  FileWatch files(config.services);
  return serve(log, {.config = std::move(config),
                     .config_name = config_path,
                     .config_text = std::move(loaded.text),
                     .proxy_account = account,
                     .files = std::move(files),
                     .control_listener = control.take_listener(),
                     .executable = Executable::running(),
                     .heritage = std::nullopt});
}

int go_on(Heritage heritage, const std::string& config_path) {
  LoadResult loaded = parse_config(heritage.config_text, config_path);
  if (!loaded.config) {
    print_lines(loaded.errors);
    return 1;
  }
  Config config = std::move(*loaded.config);
  ControlSocket control(config.control_socket, Fd(heritage.control.listener));
  const Footing footing = take_footing(config);
  Log log(log_options(config.log));
  // Again, because it may be new: with NoNewPrivileges an image regains no capability, so that memory stays
  // locked only within the limit.
  for (const std::string& refusal : footing.refusals) log.warn(refusal);
  FileWatch files(config.services);
  std::string config_text = heritage.config_text;
  const std::optional<Account> proxy_account = heritage.proxy_account;
  Executable executable = Executable::running(heritage.executable_path);
  return serve(log, {.config = std::move(config),
                     .config_name = config_path,
                     .config_text = std::move(config_text),
                     .proxy_account = proxy_account,
                     .files = std::move(files),
                     .control_listener = control.take_listener(),
                     .executable = std::move(executable),
                     .heritage = std::move(heritage)});
}

}  // namespace

int run(const std::string& config_path) {
  std::signal(SIGPIPE, SIG_IGN);
  LoadResult loaded = load_config_file(config_path);
  print_lines(loaded.errors);
  if (!loaded.config) return 1;
  try {
    return begin(std::move(loaded), config_path);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "vipward: %s\n", error.what());
    return 1;
  }
}

int run_next_image(const std::string& config_path, int state) {
  std::signal(SIGPIPE, SIG_IGN);
  try {
    auto heritage = receive_heritage(Fd(state));
    if (auto* good = std::get_if<Heritage>(&heritage)) return go_on(std::move(*good), config_path);
    std::fprintf(stderr, "vipward: %s\n", std::get<std::string>(heritage).c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "vipward: %s\n", error.what());
  }
  return 1;
}

}  // namespace vipward
