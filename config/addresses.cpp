#include "config/sections.h"

namespace vipward::config {
namespace {

constexpr std::size_t kLongestPath = 4095;

}  // namespace

std::optional<SocketAddress> read_socket_address(const Value& value, const std::string& text,
                                                 std::string_view example) {
  const std::string such_as = ", allowed: " + std::string(example);
  if (const auto address = SocketAddress::parse(text)) {
    if (address->port() != 0) return address;
    value.fail("port 0 is out of range, allowed: 1 to 65535");
  } else if (IpAddress::parse(text)) {
    value.fail(quoted(text) + " has no port" + such_as);
  } else {
    value.fail(
        quoted(text) +
        " is not an address with a port (names are not resolved: a resolver that is down must not take "
        "the API along)" +
        such_as);
  }
  return std::nullopt;
}

void read_networks(MappingReader& map, std::string_view key, std::vector<Cidr>& networks) {
  const auto list = map.take(key);
  if (!list) return;
  for (const Value& item : list->items()) {
    const auto text = item.text();
    if (!text) continue;
    if (const auto network = Cidr::parse(*text)) {
      networks.push_back(*network);
    } else {
      item.fail(quoted(*text) + " is not a network, allowed: 10.0.0.0/8, fd00::/8 or a single address");
    }
  }
}

Found read_file_path(MappingReader& map, std::string_view key, std::optional<std::string>& path) {
  std::optional<std::string> text;
  const Found found = map.text_or_null(key, text);
  if (found != Found::Good) return found;
  if (text->size() > kLongestPath) {
    map.fail(key, "the path is too long, at most " + std::to_string(kLongestPath) + " bytes are allowed");
    return Found::Bad;
  }
  path = std::move(text);
  return Found::Good;
}

}  // namespace vipward::config
