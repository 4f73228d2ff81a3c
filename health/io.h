// How a non-blocking step of a check's connection went. Plain values.
#pragma once

#include <cstdint>
#include <string>

namespace vipward {

enum class IoStatus : std::uint8_t { Done, WantRead, WantWrite, Closed, Failed };

struct IoFailure {
  enum class Kind : std::uint8_t {
    Local,    // our own host's fault: descriptors, ports, memory
    Refused,  // the connect was refused or reset
    Network,  // anything else that is no answer
    Tls,      // TLS said no, in one direction or the other: proof of life
  };
  Kind kind = Kind::Network;
  std::string text;
};

}  // namespace vipward
