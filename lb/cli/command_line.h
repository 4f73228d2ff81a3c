// The command line as values. Pure. Owner: main, which hands each command to what carries it out.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>

namespace vipward {

inline constexpr const char* kDefaultConfigPath = "/etc/vipward/vipward.yaml";
inline constexpr const char* kDefaultControlSocket = "/run/vipward/control.sock";

// Exit codes of every command.
inline constexpr int kExitOk = 0;
inline constexpr int kExitError = 1;
inline constexpr int kExitUsage = 2;

struct RunCommand {
  std::string config_path = kDefaultConfigPath;
  // Internal: the descriptor of what the last image of the same process has left. Not in --help.
  std::optional<int> inherited_state{};
};
struct CheckCommand {
  std::string config_path = kDefaultConfigPath;
};
struct StatusCommand {
  std::string control_socket = kDefaultControlSocket;
  bool json = false;
};
// Gives the VIP to the peer.
struct ReleaseCommand {
  std::string control_socket = kDefaultControlSocket;
  // How long this host is no candidate; absent: until `resume`.
  std::optional<std::chrono::milliseconds> duration{};
};
struct ResumeCommand {
  std::string control_socket = kDefaultControlSocket;
};
struct ReloadCommand {
  std::string control_socket = kDefaultControlSocket;
};
struct UpgradeCommand {
  std::string control_socket = kDefaultControlSocket;
};
// No new sessions for a backend.
struct DrainCommand {
  std::string control_socket = kDefaultControlSocket;
  std::string backend{};  // [SERVICE/]BACKEND
  // When what is left of its sessions is closed; absent: never.
  std::optional<std::chrono::milliseconds> deadline{};
};
struct UndrainCommand {
  std::string control_socket = kDefaultControlSocket;
  std::string backend{};
};
struct SessionsCommand {
  std::string control_socket = kDefaultControlSocket;
  bool json = false;
};
// Internal: what `run` asks the program that shall take over from it. Not in --help.
struct AcceptCommand {
  std::string config_path{};
  int state = 3;
};
// Internal: what `run` starts. Not in --help.
struct ProxyCommand {
  int channel_fd = 3;
};
struct VersionCommand {};
// --help was asked for: to stdout, exit 0.
struct HelpCommand {
  std::string text{};
};
// What was typed makes no sense: to stderr, exit 2.
struct UsageError {
  std::string text{};
};
using Command = std::variant<RunCommand, CheckCommand, StatusCommand, SessionsCommand, ReleaseCommand,
                             ResumeCommand, ReloadCommand, UpgradeCommand, DrainCommand, UndrainCommand,
                             AcceptCommand, ProxyCommand, VersionCommand, HelpCommand, UsageError>;

Command parse_command_line(int argc, const char* const* argv);

}  // namespace vipward
