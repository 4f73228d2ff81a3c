// The response of a backend, fed in pieces: the first bytes of the input say how it is split. However it is
// split, the outcome is the same, in bounded memory.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "health/http_response.h"

namespace {

using vipward::HttpResponseReader;
using Progress = HttpResponseReader::Progress;

constexpr std::size_t kSplitBytes = 4;

void require(bool holds) {
  if (!holds) std::abort();
}

HttpResponseReader read_whole(std::string_view bytes) {
  HttpResponseReader response;
  response.feed(bytes);
  response.feed_end();
  return response;
}

// Pieces of 1 to 64 bytes, their lengths from a small generator seeded by `seed`.
HttpResponseReader read_in_pieces(std::string_view bytes, std::uint32_t seed) {
  HttpResponseReader response;
  while (!bytes.empty()) {
    seed = seed * 1664525U + 1013904223U;
    const std::size_t size = 1 + (seed >> 26);
    response.feed(bytes.substr(0, size));
    bytes.remove_prefix(size < bytes.size() ? size : bytes.size());
  }
  response.feed_end();
  return response;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < kSplitBytes) return 0;
  std::uint32_t seed = 0;
  for (std::size_t i = 0; i < kSplitBytes; ++i) seed = seed << 8 | data[i];
  const std::string_view bytes(reinterpret_cast<const char*>(data) + kSplitBytes, size - kSplitBytes);
  const HttpResponseReader whole = read_whole(bytes);
  const HttpResponseReader pieces = read_in_pieces(bytes, seed);
  require(whole.progress() == pieces.progress());
  require(whole.progress() != Progress::NeedsMore);
  if (whole.progress() == Progress::Complete) {
    require(whole.status() == pieces.status() && whole.status() >= 100);
    require(whole.date() == pieces.date());
    require(whole.keep_alive() == pieces.keep_alive());
  } else {
    require(!whole.error().empty() && !pieces.error().empty());
  }
  return 0;
}
