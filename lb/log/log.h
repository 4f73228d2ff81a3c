// The log: one line per decision, `key=value` or JSON. Writing never blocks the caller: lines go through a
// bounded queue to a thread of their own; when it is full the oldest line is dropped and counted. Owner:
// main, which hands it to everything by reference. Any thread may write.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace vipward {

enum class LogLevel : std::uint8_t { Debug, Info, Warn, Error };
enum class LogFormat : std::uint8_t { Text, Json };

// One `key=value`. Text is quoted when it needs to be; durations are printed in seconds. Keys are snake_case,
// stable, and in the unit's name where there is one (duration_seconds).
struct LogField {
  using Value = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;
  std::string_view key;
  Value value;

  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(std::string_view(v)) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(std::string_view(v)) {}
  LogField(std::string_view k, bool v) : key(k), value(v) {}
  template <std::signed_integral T>
  LogField(std::string_view k, T v) : key(k), value(std::int64_t{v}) {}
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>) LogField(std::string_view k, T v) : key(k), value(std::uint64_t{v}) {}
  LogField(std::string_view k, double v) : key(k), value(v) {}
  template <class Rep, class Period>
  LogField(std::string_view k, std::chrono::duration<Rep, Period> v)
      : key(k), value(std::chrono::duration<double>(v).count()) {}
};

class Log {
 public:
  struct Options {
    LogLevel level = LogLevel::Info;
    LogFormat format = LogFormat::Text;
    int fd = 2;                      // where lines go; not owned
    std::size_t queue_lines = 8192;  // dropped beyond
  };
  explicit Log(Options options);
  // Writes what is queued, at most a second long when the reader of `fd` has stopped reading.
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // `event` is a short stable phrase ("backend state changed"), details are fields.
  void write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});
  void write(LogLevel level, std::string_view event, std::span<const LogField> fields);
  void debug(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::Debug, event, fields);
  }
  void info(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::Info, event, fields);
  }
  void warn(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::Warn, event, fields);
  }
  void error(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::Error, event, fields);
  }

  // Waits until what was written so far has left this process, at most `limit`: before another program takes
  // its place.
  void settle(std::chrono::milliseconds limit) const;

  bool enabled(LogLevel level) const { return level >= level_; }
  // Lines dropped because the queue was full, or nobody reads them.
  std::uint64_t dropped() const;

 private:
  class Sink;
  LogLevel level_;
  std::unique_ptr<Sink> sink_;
};

}  // namespace vipward
