#include "lb/log/format.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>

namespace vipward {
namespace {

using TimePoint = std::chrono::system_clock::time_point;

// One step through text: a code point of valid UTF-8, or a single byte that is none.
struct Piece {
  std::string_view bytes;
  char32_t code_point = 0;
  bool valid = false;
};

// Shortest forms only, no surrogates, nothing beyond U+10FFFF (RFC 3629).
Piece next_piece(std::string_view rest) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(rest[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {rest.substr(0, 1), lead, true};
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  const Piece invalid{rest.substr(0, 1), 0, false};
  if (lead < 0xC2 || lead > 0xF4 || rest.size() < length) return invalid;
  char32_t code_point = lead & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return invalid;
    code_point = (code_point << 6) | (byte(i) & 0x3Fu);
  }
  constexpr std::array<char32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  if (code_point < kSmallest[length] || code_point > 0x10FFFF) return invalid;
  if (code_point >= 0xD800 && code_point <= 0xDFFF) return invalid;
  return {rest.substr(0, length), code_point, true};
}

// C0, DEL, C1, and the characters that end a line or turn its direction in some viewers.
bool is_control(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

void append_hex(std::string& out, const char* format, unsigned value) {
  std::array<char, 16> buffer{};
  const int length = std::snprintf(buffer.data(), buffer.size(), format, value);
  out.append(buffer.data(), static_cast<std::size_t>(length));
}

void append_escaped(std::string& out, std::string_view text, LogFormat format) {
  while (!text.empty()) {
    const Piece piece = next_piece(text);
    text.remove_prefix(piece.bytes.size());
    if (!piece.valid) {
      if (format == LogFormat::Json)
        out += "\xEF\xBF\xBD";
      else
        append_hex(out, "\\x%02x", static_cast<unsigned char>(piece.bytes[0]));
    } else if (piece.code_point == '"' || piece.code_point == '\\') {
      out += '\\';
      out += piece.bytes;
    } else if (piece.code_point == '\n') {
      out += "\\n";
    } else if (piece.code_point == '\r') {
      out += "\\r";
    } else if (piece.code_point == '\t') {
      out += "\\t";
    } else if (is_control(piece.code_point)) {
      append_hex(out, "\\u%04x", static_cast<unsigned>(piece.code_point));
    } else {
      out += piece.bytes;
    }
  }
}

bool needs_quotes(std::string_view text) {
  if (text.empty()) return true;
  for (const char c : text)
    if (c <= ' ' || c >= 0x7F || c == '"' || c == '\\' || c == '=') return true;  // signed: non-ASCII too
  return false;
}

void append_string(std::string& out, std::string_view text, LogFormat format) {
  if (format == LogFormat::Text && !needs_quotes(text)) {
    out += text;
    return;
  }
  out += '"';
  append_escaped(out, text, format);
  out += '"';
}

template <class T>
void append_integer(std::string& out, T value) {
  std::array<char, 24> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  out.append(buffer.data(), end);
}

// Microseconds are enough for durations; what that cannot say is written in its shortest exact form.
void append_double(std::string& out, double value, LogFormat format) {
  if (!std::isfinite(value)) {
    out += format == LogFormat::Json ? "null" : std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
    return;
  }
  std::array<char, 64> buffer{};
  const double size = std::fabs(value);
  if (size != 0 && (size < 1e-6 || size >= 1e15)) {
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
    out.append(buffer.data(), end);
    return;
  }
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed, 6).ptr;
  std::string_view digits(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  digits = digits.substr(0, digits.find_last_not_of('0') + 1);
  if (digits.ends_with('.')) digits.remove_suffix(1);
  out += digits;
}

struct ValueAppender {
  std::string& out;
  LogFormat format;
  void operator()(std::string_view v) const { append_string(out, v, format); }
  void operator()(std::int64_t v) const { append_integer(out, v); }
  void operator()(std::uint64_t v) const { append_integer(out, v); }
  void operator()(double v) const { append_double(out, v, format); }
  void operator()(bool v) const { out += v ? "true" : "false"; }
};

void append_time(std::string& out, TimePoint time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(time - seconds).count();
  const std::time_t unix_time = std::chrono::system_clock::to_time_t(seconds);
  std::tm utc{};
  gmtime_r(&unix_time, &utc);
  std::array<char, 40> buffer{};
  const std::size_t length = std::strftime(buffer.data(), buffer.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  out.append(buffer.data(), length);
  append_hex(out, ".%06uZ", static_cast<unsigned>(micros));
}

void append_text(std::string& out, TimePoint time, LogLevel level, std::string_view event,
                 std::span<const LogField> fields) {
  constexpr auto kFormat = LogFormat::Text;
  append_time(out, time);
  out += ' ';
  out += to_string(level);
  out.append(6 - to_string(level).size(), ' ');
  append_escaped(out, event, kFormat);
  for (const LogField& field : fields) {
    out += ' ';
    append_escaped(out, field.key, kFormat);
    out += '=';
    std::visit(ValueAppender{out, kFormat}, field.value);
  }
}

void append_json(std::string& out, TimePoint time, LogLevel level, std::string_view event,
                 std::span<const LogField> fields) {
  constexpr auto kFormat = LogFormat::Json;
  out += R"({"time":")";
  append_time(out, time);
  out += R"(","level":")";
  out += to_string(level);
  out += R"(","event":)";
  append_string(out, event, kFormat);
  for (const LogField& field : fields) {
    out += ',';
    append_string(out, field.key, kFormat);
    out += ':';
    std::visit(ValueAppender{out, kFormat}, field.value);
  }
  out += '}';
}

}  // namespace

std::string_view to_string(LogLevel level) {
  constexpr std::array<std::string_view, 4> kNames{"debug", "info", "warn", "error"};
  return kNames[static_cast<std::size_t>(level)];
}

std::string format_log_line(LogFormat format, TimePoint time, LogLevel level, std::string_view event,
                            std::span<const LogField> fields) {
  std::string line;
  line.reserve(256);
  if (format == LogFormat::Json)
    append_json(line, time, level, event, fields);
  else
    append_text(line, time, level, event, fields);
  line += '\n';
  return line;
}

}  // namespace vipward
