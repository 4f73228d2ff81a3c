// A configuration is root's, but half-written, generated and mistaken ones are common: none may crash, hang
// or come out half loaded. Corpus: corpus/config.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "config/load.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto result = vipward::parse_config(text, "fuzz.yaml");
  if (result.config.has_value() != result.errors.empty()) std::abort();
  for (const auto& error : result.errors) {
    // One error is one line, whatever the file contains.
    if (!error.starts_with("fuzz.yaml:") || error.find('\n') != std::string::npos) std::abort();
  }
  return 0;
}
