// What a check needs of the files that the configuration names, as content: health/ opens no file. Plain
// value.
#pragma once

#include <string>

namespace vipward {

struct CheckMaterial {
  std::string ca_pem{};           // one or more certificates
  std::string certificate_pem{};  // client certificate, then its chain; empty: none
  std::string key_pem{};          // private key of it
  std::string bearer_token{};     // without line end; empty: none
  bool operator==(const CheckMaterial&) const = default;
};

}  // namespace vipward
