// Texts of single values and what they mean. Pure; nullopt for text that is not what the name says, ranges
// are the caller's business.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vipward::config {

using std::chrono::milliseconds;

// `250ms 10s 5m 1h`, with decimals if whole milliseconds come out (`1.5s`); `0` needs no unit.
std::optional<milliseconds> parse_duration(std::string_view text);
// The same way back, in the largest unit that fits: `2m`, `130s`, `40.95s`, `1500ms`.
std::string format_duration(milliseconds duration);
// `10%` is 0.1.
std::optional<double> parse_percent(std::string_view text);
// Decimal digits with an optional minus sign; no leading zeros, which YAML 1.1 reads as octal.
std::optional<std::int64_t> parse_whole_number(std::string_view text);
// `0600`, `600` or `0o600`, at most 0777.
std::optional<mode_t> parse_file_mode(std::string_view text);

bool is_name(std::string_view text);            // [A-Za-z0-9._-], 1 to 63
bool is_account_name(std::string_view text);    // of a user or group, or a numeric id
bool is_interface_name(std::string_view text);  // what the kernel takes: 1 to 15 bytes, no space, '/' or ':'
bool is_server_name(std::string_view text);     // a DNS name or an address, 1 to 253
bool is_request_path(std::string_view text);    // begins with '/', printable ASCII without spaces
bool has_control_character(std::string_view text);

}  // namespace vipward::config
