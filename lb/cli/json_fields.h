// Reading the daemon's JSON leniently: a field that is missing or of another type counts as empty, so that a
// newer daemon's status stays readable. Texts come out printable. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace vipward {

using Json = nlohmann::json;

const Json& member(const Json& object, const char* key);
std::string text(const Json& object, const char* key);
std::uint64_t number(const Json& object, const char* key);
bool is_true(const Json& object, const char* key);
std::vector<Json> list(const Json& object, const char* key);
// The texts of a list, with ", " between them.
std::string joined(const Json& object, const char* key);

// "09:12:31Z"; with its date in front where that is not `now`'s; "-" if there is none.
std::string short_time(const std::string& time, const std::string& now);
std::optional<std::chrono::sys_seconds> parse_time(const std::string& time);

// "1 backend", "2 backends".
std::string plural(std::uint64_t count, const char* noun);

}  // namespace vipward
