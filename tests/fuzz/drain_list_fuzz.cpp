// Whatever the file of drains holds: what is read from it are names that a configuration can have and times
// that a clock can say, and it reads the same when it is written again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lb/guardian/drain_list.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto list =
      vipward::DrainList::parse(std::string_view(reinterpret_cast<const char*>(data), size)).list;
  if (list.entries().size() > vipward::DrainList::kMost) std::abort();
  for (const vipward::DrainEntry& entry : list.entries()) {
    if (entry.service.find_first_of("/ \n") != std::string::npos) std::abort();
    if (entry.backend.find_first_of("/ \n") != std::string::npos) std::abort();
  }
  const auto again = vipward::DrainList::parse(list.to_text());
  if (!again.skipped.empty() || again.list.entries() != list.entries()) std::abort();
  return 0;
}
