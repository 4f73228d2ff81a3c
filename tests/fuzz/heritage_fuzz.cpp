// Whatever a state document holds: it is refused with a reason, or it is understood, and then reads the same
// when it is written again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>

#include "lb/guardian/heritage.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto read = vipward::parse_heritage(std::string_view(reinterpret_cast<const char*>(data), size));
  if (const auto* refusal = std::get_if<std::string>(&read)) {
    if (refusal->empty()) std::abort();
    return 0;
  }
  const std::string text = vipward::to_text(std::get<vipward::Heritage>(read));
  const auto again = vipward::parse_heritage(text);
  if (!std::holds_alternative<vipward::Heritage>(again)) std::abort();
  if (vipward::to_text(std::get<vipward::Heritage>(again)) != text) std::abort();
  return 0;
}
