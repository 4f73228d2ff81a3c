#include "config/sections.h"
#include "config/values.h"

namespace vipward::config {
namespace {

constexpr std::string_view kListenExample = "127.0.0.1:9643 or \"[::1]:9643\"";
constexpr std::string_view kAccountRule = "allowed: a name of at most 32 characters, or a numeric id";
constexpr std::size_t kMostListens = 64;
// A worker without a listener of its own would have nothing to do.
constexpr std::int64_t kMostWorkers = 8;
constexpr std::size_t kLongestSocketPath = 107;  // sun_path holds 108 with the final NUL (unix(7))

void read_admin(MappingReader& root, AdminConfig& admin, Findings& findings) {
  MappingReader map(root, "admin");
  if (const auto value = map.take("listen")) {
    for (const Value& item : value->one_or_more({.most = kMostListens})) {
      const auto text = item.text();
      if (!text) continue;
      const auto address = read_socket_address(item, *text, kListenExample);
      if (!address) continue;
      admin.listen.push_back(*address);
      findings.listens.push_back({.listen = {.address = *address, .port = address->port()},
                                  .service = std::nullopt,
                                  .place = Place{item.position(), item.path()}});
    }
  } else {
    const SocketAddress address = *SocketAddress::parse("127.0.0.1:9643");
    admin.listen.push_back(address);
    findings.listens.push_back({.listen = {.address = address, .port = address.port()},
                                .service = std::nullopt,
                                .place = std::nullopt});
  }
  read_networks(map, "allow", admin.allow);
}

void read_socket_path(MappingReader& map, std::string& path) {
  std::string text;
  if (map.text("path", text) != Found::Good) return;
  if (!text.starts_with('/') || text.size() > kLongestSocketPath) {
    map.fail("path", quoted(text) + " is not allowed, allowed: an absolute path of at most " +
                         std::to_string(kLongestSocketPath) + " bytes");
    return;
  }
  path = std::move(text);
}

void read_control_socket(MappingReader& root, ControlSocketConfig& socket) {
  MappingReader map(root, "control_socket");
  read_socket_path(map, socket.path);
  std::string mode;
  if (map.text("mode", mode) == Found::Good) {
    if (const auto parsed = parse_file_mode(mode)) {
      socket.mode = *parsed;
    } else {
      map.fail("mode", quoted(mode) + " is not an octal mode, allowed: \"0000\" to \"0777\"");
    }
  }
  std::optional<std::string> group;
  if (map.text_or_null("group", group) != Found::Good) return;
  if (is_account_name(*group)) {
    socket.group = std::move(group);
  } else {
    map.fail("group", quoted(*group) + " is not a group, " + std::string(kAccountRule));
  }
}

void read_user(MappingReader& root, std::string& user) {
  std::string text;
  if (root.text("user", text) != Found::Good) return;
  if (is_account_name(text)) {
    user = std::move(text);
  } else {
    root.fail("user", quoted(text) + " is not a user, " + std::string(kAccountRule));
  }
}

void read_workers(MappingReader& root, std::optional<unsigned>& workers) {
  const auto value = root.take("workers");
  if (!value || value->is_word("auto")) return;
  const auto text = value->text();
  if (!text) return;
  const auto number = parse_whole_number(*text);
  if (!number || *number < 1 || *number > kMostWorkers) {
    value->fail(quoted(*text) + " is not a number of workers, allowed: auto, 1 to " +
                std::to_string(kMostWorkers));
    return;
  }
  workers = static_cast<unsigned>(*number);
}

void read_log(MappingReader& root, LogConfig& log) {
  MappingReader map(root, "log");
  map.choice<LogLevelConfig>("level", log.level,
                             {{"debug", LogLevelConfig::Debug},
                              {"info", LogLevelConfig::Info},
                              {"warn", LogLevelConfig::Warn},
                              {"error", LogLevelConfig::Error}});
  map.choice<bool>("format", log.json, {{"text", false}, {"json", true}});
}

}  // namespace

void read_process(MappingReader& root, Config& config, Findings& findings) {
  read_admin(root, config.admin, findings);
  read_control_socket(root, config.control_socket);
  read_user(root, config.user);
  read_workers(root, config.workers);
  read_log(root, config.log);
}

}  // namespace vipward::config
