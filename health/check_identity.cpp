#include "health/check_identity.h"

#include <string_view>

namespace vipward {
namespace {

// FNV-1a, 64 bits. std::hash promises nothing between two programs.
class Hash {
 public:
  void add(std::string_view text) {
    for (const char c : text) mix(static_cast<unsigned char>(c));
    mix(0xFF);  // no byte of a text in UTF-8: {"ab", "c"} is not {"a", "bc"}
  }
  void add_number(std::uint64_t number) { add(std::to_string(number)); }
  void add_maybe(const std::optional<std::string>& text) {
    add_number(text ? 1 : 0);
    if (text) add(*text);
  }
  std::uint64_t value() const { return value_; }

 private:
  void mix(unsigned char byte) { value_ = (value_ ^ byte) * 0x100000001b3; }

  std::uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace

std::uint64_t identity_of(const HealthCheckConfig& config, const SocketAddress& address) {
  Hash hash;
  hash.add(SocketAddress(address.ip(), config.port.value_or(address.port())).to_string());
  hash.add_number(static_cast<std::uint64_t>(config.protocol));
  for (const std::string& path : config.paths) hash.add(path);
  for (const int status : config.expected_status) hash.add_number(static_cast<std::uint64_t>(status));
  hash.add_maybe(config.tls.ca_file);
  hash.add_maybe(config.tls.server_name);
  hash.add_maybe(config.tls.certificate_file);
  hash.add_maybe(config.tls.key_file);
  hash.add_number(config.tls.insecure_skip_verify ? 1 : 0);
  hash.add_maybe(config.bearer_token_file);
  return hash.value();
}

}  // namespace vipward
