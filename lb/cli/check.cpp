#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <system_error>
#include <variant>

#include "config/load.h"
#include "lb/cli/commands.h"
#include "lb/vip/v2_password.h"

namespace vipward {
namespace {

std::string count(std::size_t n, std::string_view noun) {
  return std::to_string(n) + ' ' + std::string(noun) + (n == 1 ? "" : "s");
}

std::string summarize(const Config& config) {
  std::size_t backends = 0;
  for (const ServiceConfig& service : config.services) backends += service.backends.size();
  return count(config.services.size(), "service") + ", " + count(backends, "backend");
}

// A file that `run` will open. It may belong to a user that we are not: a warning, not an error.
void warn_if_unreadable(const std::string& where, const std::optional<std::string>& path, std::ostream& err) {
  if (!path) return;
  struct stat status {};
  std::string reason;
  if (access(path->c_str(), R_OK) != 0 || stat(path->c_str(), &status) != 0)
    reason = std::system_category().message(errno);
  else if (!S_ISREG(status.st_mode))
    reason = "not a regular file";
  else
    return;
  err << where << ": warning: cannot read " << *path << ": " << reason << '\n';
}

void warn_of_files(const std::string& file, const Config& config, std::ostream& err) {
  if (config.vip) warn_if_unreadable(file + ": vip.v2_password_file", config.vip->v2_password_file, err);
  for (std::size_t i = 0; i < config.services.size(); ++i) {
    const HealthCheckConfig& check = config.services[i].health_check;
    const std::string prefix = file + ": services[" + std::to_string(i) + "].health_check.";
    warn_if_unreadable(prefix + "tls.ca_file", check.tls.ca_file, err);
    warn_if_unreadable(prefix + "tls.certificate_file", check.tls.certificate_file, err);
    warn_if_unreadable(prefix + "tls.key_file", check.tls.key_file, err);
    warn_if_unreadable(prefix + "bearer_token_file", check.bearer_token_file, err);
  }
}

// Why `run` would refuse what can be read of it; nullopt: it would not.
std::optional<std::string> password_problem(const Config& config) {
  if (!config.vip || !config.vip->v2_password_file) return std::nullopt;
  if (access(config.vip->v2_password_file->c_str(), R_OK) != 0) return std::nullopt;  // warned of
  const auto read = read_v2_password(*config.vip->v2_password_file);
  const auto* problem = std::get_if<std::string>(&read);
  return problem != nullptr ? std::optional(*problem) : std::nullopt;
}

// As root, which this command need not be, `run` gives the proxy an account of its own.
void warn_of_open_socket(const std::string& file, const Config& config, std::ostream& err) {
  if ((config.control_socket.mode & S_IWOTH) == 0) return;
  err << file
      << ": control_socket.mode: warning: it lets everybody command vipward: `run` refuses it as root\n";
}

}  // namespace

int run_check(const CheckCommand& command, Output output) {
  const LoadResult result = load_config_file(command.config_path);
  for (const std::string& error : result.errors) output.err << error << '\n';
  if (!result.config) return kExitError;
  warn_of_files(command.config_path, *result.config, output.err);
  warn_of_open_socket(command.config_path, *result.config, output.err);
  if (const auto problem = password_problem(*result.config)) {
    output.err << command.config_path << ": " << *problem << '\n';
    return kExitError;
  }
  output.out << command.config_path << ": ok: " << summarize(*result.config) << '\n';
  return kExitOk;
}

}  // namespace vipward
