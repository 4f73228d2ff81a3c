// Whatever bytes arrive: the parser stays in bounds, and where they are cut makes no difference.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lb/admin/http_request.h"

using vipward::HttpRequestParser;

namespace {

// Feeds all of it, request after request, in pieces of `step` bytes; returns what came out.
std::string run(std::string_view bytes, std::size_t step) {
  HttpRequestParser parser;
  std::string seen;
  while (!bytes.empty()) {
    const std::size_t taken = parser.feed(bytes.substr(0, step));
    bytes.remove_prefix(taken);
    if (parser.error_status() != 0) return seen + std::to_string(parser.error_status());
    if (parser.is_complete()) {
      seen += parser.request().path + (parser.request().keep_alive ? "+" : "-");
      parser.reset();
    } else if (taken == 0) {
      std::abort();  // neither taken nor refused: the server would spin
    }
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole = run(bytes, size);
  if (run(bytes, 1) != whole || run(bytes, 7) != whole) std::abort();
  return 0;
}
