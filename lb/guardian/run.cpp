#include "lb/guardian/run.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <utility>

#include "config/load.h"
#include "lb/guardian/account.h"
#include "lb/guardian/guardian_app.h"
#include "lb/guardian/rights.h"
#include "lb/log/log_options.h"
#include "lb/net/socket.h"
#include "lb/version.h"

namespace vipward {
namespace {

void print_lines(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) std::fprintf(stderr, "%s\n", line.c_str());
}

// The socket file goes with its listener.
class ControlSocket {
 public:
  explicit ControlSocket(const ControlSocketConfig& config)
      : path_(config.path), listener_(listen_unix(config.path, rights_of(config))) {}
  ~ControlSocket() { unlink(path_.c_str()); }
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

  Fd take_listener() { return std::move(listener_); }

 private:
  static UnixSocketRights rights_of(const ControlSocketConfig& config) {
    UnixSocketRights rights{.mode = config.mode, .group = std::nullopt};
    if (config.group) rights.group = find_group(*config.group);
    return rights;
  }

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

// The control socket comes first: a second vipward must not take a single client of the first one before it
// finds out that it is one. Nothing runs beside this thread until the log does.
int serve(LoadResult loaded, const std::string& config_path) {
  Config config = std::move(*loaded.config);
  if (config.vip) require_rights_for_vip();
  std::optional<Account> account;
  if (geteuid() == 0) account = find_account(config.user);
  ControlSocket control(config.control_socket);
  const std::uint64_t descriptor_limit = raise_descriptor_limit();
  std::vector<std::string> refusals;
  if (config.vip) refusals = claim_real_time();
  drop_capabilities();

  Log log(log_options(config.log));
  log.info("starting", {{"version", version()},
                        {"revision", revision()},
                        {"config_hash", config.hash},
                        {"descriptor_limit", descriptor_limit}});
  for (const std::string& refusal : refusals) log.warn(refusal);
  FileWatch files(config.services);
  std::vector<std::string> problems;
  for (const FileWatch::Opened& opened : files.open_all()) {
    if (!opened.problem.empty()) problems.push_back(opened.problem);
  }
  if (!problems.empty()) {
    print_lines(problems);
    return 1;
  }
  {
    GuardianApp app(log, {.config = std::move(config),
                          .config_name = config_path,
                          .config_text = std::move(loaded.text),
                          .proxy_account = account,
                          .files = std::move(files),
                          .control_listener = control.take_listener()});
    problems = app.run();
  }
  print_lines(problems);
  if (!problems.empty()) return 1;
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
    return serve(std::move(loaded), config_path);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "vipward: %s\n", error.what());
    return 1;
  }
}

}  // namespace vipward
