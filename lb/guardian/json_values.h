// Values of ours as JSON, for nlohmann's library: optionals (null), times and durations (whole nanoseconds),
// addresses (text), counters by kind (arrays). What cannot be read throws nlohmann::json::exception or
// std::invalid_argument. Included by heritage.cpp alone: the library's header is heavy.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>

#include "lb/net/address.h"

namespace nlohmann {

template <class T>
struct adl_serializer<std::optional<T>> {
  static void to_json(json& to, const std::optional<T>& value) { to = value ? json(*value) : json(nullptr); }
  static void from_json(const json& from, std::optional<T>& value) {
    value = from.is_null() ? std::nullopt : std::optional<T>(from.get<T>());
  }
};

template <class Rep, class Period>
struct adl_serializer<std::chrono::duration<Rep, Period>> {
  using Duration = std::chrono::duration<Rep, Period>;
  static void to_json(json& to, const Duration& value) {
    to = std::chrono::duration_cast<std::chrono::nanoseconds>(value).count();
  }
  static void from_json(const json& from, Duration& value) {
    value = std::chrono::duration_cast<Duration>(std::chrono::nanoseconds(from.get<std::int64_t>()));
  }
};

template <class Clock, class Duration>
struct adl_serializer<std::chrono::time_point<Clock, Duration>> {
  using Time = std::chrono::time_point<Clock, Duration>;
  static void to_json(json& to, const Time& value) { to = value.time_since_epoch(); }
  static void from_json(const json& from, Time& value) { value = Time(from.get<Duration>()); }
};

// Counters by kind. Kinds are only ever appended: those that an older version has are the first ones, and of
// the others it has counted none.
template <std::size_t N>
struct adl_serializer<std::array<std::uint64_t, N>> {
  using Counters = std::array<std::uint64_t, N>;
  static void to_json(json& to, const Counters& value) { to = json::array_t(value.begin(), value.end()); }
  static void from_json(const json& from, Counters& value) {
    if (!from.is_array() || from.size() > N) throw std::invalid_argument("counters of unknown kinds");
    value.fill(0);
    for (std::size_t i = 0; i < from.size(); ++i) value[i] = from[i].get<std::uint64_t>();
  }
};

template <>
struct adl_serializer<vipward::IpAddress> {
  static void to_json(json& to, const vipward::IpAddress& value) { to = value.to_string(); }
  static void from_json(const json& from, vipward::IpAddress& value) {
    const auto parsed = vipward::IpAddress::parse(from.get<std::string>());
    if (!parsed) throw std::invalid_argument("not an address");
    value = *parsed;
  }
};

template <>
struct adl_serializer<vipward::SocketAddress> {
  static void to_json(json& to, const vipward::SocketAddress& value) { to = value.to_string(); }
  static void from_json(const json& from, vipward::SocketAddress& value) {
    const auto parsed = vipward::SocketAddress::parse(from.get<std::string>());
    if (!parsed) throw std::invalid_argument("not an address with a port");
    value = *parsed;
  }
};

}  // namespace nlohmann
