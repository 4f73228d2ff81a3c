// Whatever a state file holds: what is read from it is an address and a name that an interface may have, and
// reads the same when it is written again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lb/vip/state_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto found = vipward::parse_recorded(std::string_view(reinterpret_cast<const char*>(data), size));
  std::string text;
  for (const vipward::RecordedAddress& one : found)
    text += one.address.to_string() + " " + one.interface + "\n";
  if (vipward::parse_recorded(text) != found) std::abort();
  return 0;
}
