// A backend that has read a client's TLS hello and goes without a word.
#pragma once

#include <cstdint>
#include <string>

#include "tests/component/proxy/peer.h"

namespace vipward::test {

// `size` bytes that begin like a TLS hello does.
inline std::string hello_of(std::size_t size) {
  std::string hello("\x16\x03\x01", 3);
  for (std::size_t i = hello.size(); i < size; ++i) hello += static_cast<char>('a' + i % 23);
  return hello;
}

// How a backend goes that has read the hello.
enum class Leaving : std::uint8_t { Reset, Fin, FinThenReset };

inline void leave(Peer& backend, Leaving leaving) {
  if (leaving != Leaving::Reset) backend.finish();
  if (leaving == Leaving::Fin) {
    backend.close();
  } else {
    backend.reset();
  }
}

}  // namespace vipward::test
