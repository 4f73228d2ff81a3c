// An Ethernet address.
#pragma once

#include <array>
#include <cstdint>

namespace vipward {

using MacAddress = std::array<std::uint8_t, 6>;

}  // namespace vipward
