#include "lb/log/format.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace vipward;
using namespace std::chrono_literals;

namespace {

// 2026-11-22T09:10:11.123456Z
const std::chrono::system_clock::time_point kTime{1795338611123456us};

std::string text(std::string_view event, std::vector<LogField> fields = {}, LogLevel level = LogLevel::Info) {
  return format_log_line(LogFormat::Text, kTime, level, event, fields);
}
std::string json(std::string_view event, std::vector<LogField> fields = {}, LogLevel level = LogLevel::Info) {
  return format_log_line(LogFormat::Json, kTime, level, event, fields);
}
// What stands behind "v=" for one text field.
std::string text_value(LogField::Value value) {
  LogField field("v", 0);
  field.value = value;
  const std::string line = text("e", {field});
  return line.substr(line.find("v=") + 2, line.size() - line.find("v=") - 3);
}

}  // namespace

TEST_CASE("a text line has time, level, event and fields, quoted where needed") {
  CHECK(text("backend state changed", {{"service", "kube-apiserver"},
                                       {"backend", "master-1"},
                                       {"from", "ready"},
                                       {"to", "dead"},
                                       {"reason", "connect: refused"}}) ==
        "2026-11-22T09:10:11.123456Z info  backend state changed service=kube-apiserver backend=master-1 "
        "from=ready to=dead reason=\"connect: refused\"\n");
  CHECK(text("started", {}, LogLevel::Debug) == "2026-11-22T09:10:11.123456Z debug started\n");
  CHECK(text("started", {}, LogLevel::Warn) == "2026-11-22T09:10:11.123456Z warn  started\n");
  CHECK(text("started", {}, LogLevel::Error) == "2026-11-22T09:10:11.123456Z error started\n");
}

TEST_CASE("a time before the epoch and one on the second are printed in full") {
  const auto line = [](std::chrono::system_clock::time_point time) {
    return format_log_line(LogFormat::Text, time, LogLevel::Info, "e", {});
  };
  CHECK(line(std::chrono::system_clock::time_point{0us}) == "1970-01-01T00:00:00.000000Z info  e\n");
  CHECK(line(std::chrono::system_clock::time_point{-1us}) == "1969-12-31T23:59:59.999999Z info  e\n");
}

TEST_CASE("text values are quoted when they could be misread") {
  CHECK(text_value("plain-1.2:3/[x]") == "plain-1.2:3/[x]");
  CHECK(text_value("") == R"("")");
  CHECK(text_value("two words") == R"("two words")");
  CHECK(text_value("a=b") == R"("a=b")");
  CHECK(text_value(R"(say "hi")") == R"("say \"hi\"")");
  CHECK(text_value(R"(back\slash)") == R"("back\\slash")");
  CHECK(text_value("grüße") == "\"grüße\"");
}

TEST_CASE("no value can start a new line or reach the terminal") {
  CHECK(text_value("a\nb\r\tc") == R"("a\nb\r\tc")");
  CHECK(text_value("\x1b[31mred") == R"("\u001b[31mred")");
  CHECK(text_value("\x7f") == R"("\u007f")");
  CHECK(text_value("\xC2\x9B") == R"("\u009b")");
  CHECK(text_value("\xE2\x80\xA8\xE2\x80\xAE") == R"("\u2028\u202e")");
  CHECK(text_value(std::string_view("a\0b", 3)) == R"("a\u0000b")");
  CHECK(text("an\nevent", {{"k\n", 1}}) == "2026-11-22T09:10:11.123456Z info  an\\nevent k\\n=1\n");
}

TEST_CASE("bytes that are not UTF-8 are escaped in text") {
  CHECK(text_value("\xff\xfe") == R"("\xff\xfe")");
  CHECK(text_value("\xC0\xAF") == R"("\xc0\xaf")");                  // overlong
  CHECK(text_value("\xED\xA0\x80") == R"("\xed\xa0\x80")");          // surrogate
  CHECK(text_value("\xE2\x82") == R"("\xe2\x82")");                  // cut short
  CHECK(text_value("\xF4\x90\x80\x80") == R"("\xf4\x90\x80\x80")");  // beyond U+10FFFF
  CHECK(text_value("\xF0\x9F\x98\x80") == "\"\xF0\x9F\x98\x80\"");
}

TEST_CASE("numbers, booleans and durations are plain") {
  CHECK(text_value(std::int64_t{-3}) == "-3");
  CHECK(text_value(std::uint64_t{18446744073709551615u}) == "18446744073709551615");
  CHECK(text_value(true) == "true");
  CHECK(text_value(0.25) == "0.25");
  CHECK(text_value(0.0) == "0");
  CHECK(text_value(3.0) == "3");
  CHECK(text_value(100.0) == "100");
  CHECK(text_value(-0.000001) == "-0.000001");
  CHECK(text_value(1e-9) == "1e-09");
  CHECK(text_value(1e300) == "1e+300");
  CHECK(text_value(std::nan("")) == "nan");
  CHECK(text_value(-std::numeric_limits<double>::infinity()) == "-inf");
  CHECK(text("e", {{"duration_seconds", 1500ms}, {"fd", 3}, {"bytes", 7u}, {"ok", false}}) ==
        "2026-11-22T09:10:11.123456Z info  e duration_seconds=1.5 fd=3 bytes=7 ok=false\n");
}

TEST_CASE("a JSON line is one object with typed values") {
  CHECK(json("session ended",
             {{"service", "kube-apiserver"},
              {"bytes", 7u},
              {"delta", -7},
              {"duration_seconds", 1500ms},
              {"ok", true}},
             LogLevel::Warn) ==
        R"({"time":"2026-11-22T09:10:11.123456Z","level":"warn","event":"session ended",)"
        R"("service":"kube-apiserver","bytes":7,"delta":-7,"duration_seconds":1.5,"ok":true})"
        "\n");
}

TEST_CASE("JSON strings are escaped and always valid UTF-8") {
  const auto value = [](std::string_view v) {
    const std::string line = json("e", {{"v", v}});
    const auto start = line.find(R"("v":)") + 4;
    return line.substr(start, line.size() - start - 2);
  };
  CHECK(value("a\"b\\c\nd") == R"("a\"b\\c\nd")");
  CHECK(value("\x1b\x7f") == R"("\u001b\u007f")");
  CHECK(value("\xff") == "\"\xEF\xBF\xBD\"");
  CHECK(value("grüße") == "\"grüße\"");
}

TEST_CASE("JSON says null for a number it cannot say") {
  CHECK(json("e", {{"v", std::nan("")}}) ==
        "{\"time\":\"2026-11-22T09:10:11.123456Z\",\"level\":\"info\",\"event\":\"e\",\"v\":null}\n");
}
