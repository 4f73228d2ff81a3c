// The files that the checks of a service read, with the keys that name them: for whoever opens them and
// whoever reads them. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "config/config.h"

namespace vipward {

inline constexpr std::size_t kCheckFiles = 4;
inline constexpr std::size_t kLongestCheckFile = 1024 * 1024;  // bytes

struct CheckFile {
  std::string_view key;                    // below the service
  const std::optional<std::string>& path;  // of the configuration; absent: not configured
};

// In this order: CA, certificate, key, token. `service` outlives the result.
inline std::array<CheckFile, kCheckFiles> check_files_of(const ServiceConfig& service) {
  const HealthCheckConfig& check = service.health_check;
  return {{{"health_check.tls.ca_file", check.tls.ca_file},
           {"health_check.tls.certificate_file", check.tls.certificate_file},
           {"health_check.tls.key_file", check.tls.key_file},
           {"health_check.bearer_token_file", check.bearer_token_file}}};
}

}  // namespace vipward
