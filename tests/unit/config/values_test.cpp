#include "config/values.h"

#include <doctest/doctest.h>

namespace vipward::config {
namespace {

using namespace std::chrono_literals;

TEST_CASE("durations are numbers with a unit, in whole milliseconds") {
  CHECK(parse_duration("250ms") == 250ms);
  CHECK(parse_duration("10s") == 10s);
  CHECK(parse_duration("5m") == 5min);
  CHECK(parse_duration("1h") == 1h);
  CHECK(parse_duration("1.5s") == 1500ms);
  CHECK(parse_duration("40.95s") == 40950ms);
  CHECK(parse_duration("0.25ms") == std::nullopt);
  CHECK(parse_duration("0") == 0ms);
  CHECK(parse_duration("0s") == 0ms);
  CHECK(parse_duration("99999999999h") == milliseconds{99999999999 * 3'600'000});
  for (const char* text : {"", "1", "s", "-1s", "+1s", "1 s", "1S", "1d", "1m30s", "1.s", ".5s", "1.0000s",
                           "1e3s", "0x1s", "999999999999h", "99999999999.999h"}) {
    CAPTURE(text);
    CHECK(parse_duration(text) == std::nullopt);
  }
}

TEST_CASE("durations are written in the largest unit that fits") {
  CHECK(format_duration(0ms) == "0s");
  CHECK(format_duration(1ms) == "1ms");
  CHECK(format_duration(1500ms) == "1500ms");
  CHECK(format_duration(130s) == "130s");
  CHECK(format_duration(120s) == "2m");
  CHECK(format_duration(24h) == "24h");
  CHECK(format_duration(40950ms) == "40.95s");
  CHECK(format_duration(10010ms) == "10.01s");
}

TEST_CASE("percentages need their sign") {
  CHECK(parse_percent("10%") == 0.1);
  CHECK(parse_percent("0%") == 0.0);
  CHECK(parse_percent("12.5%") == 0.125);
  for (const char* text : {"", "10", "%", "-1%", "10 %", "10%%"}) {
    CAPTURE(text);
    CHECK(parse_percent(text) == std::nullopt);
  }
}

TEST_CASE("whole numbers have no leading zeros, signs but minus, or anything behind") {
  CHECK(parse_whole_number("0") == 0);
  CHECK(parse_whole_number("-7") == -7);
  CHECK(parse_whole_number("6443") == 6443);
  for (const char* text :
       {"", "-", "+1", "01", "-01", "1.0", "1e3", "0x10", "1_000", " 1", "9223372036854775808"}) {
    CAPTURE(text);
    CHECK(parse_whole_number(text) == std::nullopt);
  }
}

TEST_CASE("file modes are octal") {
  CHECK(parse_file_mode("0600") == 0600U);
  CHECK(parse_file_mode("660") == 0660U);
  CHECK(parse_file_mode("0o777") == 0777U);
  for (const char* text : {"", "0", "00", "0800", "1000", "00600", "0o", "-600", "rw-------"}) {
    CAPTURE(text);
    CHECK(parse_file_mode(text) == std::nullopt);
  }
}

TEST_CASE("names of things keep to their characters and lengths") {
  CHECK(is_name("kube-apiserver_1.a"));
  CHECK(is_name(std::string(63, 'a')));
  CHECK_FALSE(is_name(std::string(64, 'a')));
  CHECK_FALSE(is_name(""));
  CHECK_FALSE(is_name("a/b"));
  CHECK(is_account_name("www-data"));
  CHECK_FALSE(is_account_name("-x"));
  CHECK(is_interface_name("eth0.100"));
  CHECK_FALSE(is_interface_name(".."));
  CHECK_FALSE(is_interface_name("a/b"));
  CHECK(is_server_name("kubernetes.default.svc"));
  CHECK(is_server_name("fd00::1"));
  CHECK(is_server_name("10.0.0.1"));
  CHECK(is_server_name("::ffff:10.0.0.1"));
  for (const char* text : {"", "a b", "kubernetes:6443", "10.0.0.1:6443", "[fd00::1]:6443", "[fd00::1]",
                           ":::", ":", "fd00::1:", "fd00::g"}) {
    CAPTURE(text);
    CHECK_FALSE(is_server_name(text));
  }
  CHECK(is_request_path("/readyz?verbose&exclude=etcd"));
  CHECK_FALSE(is_request_path("readyz"));
  CHECK_FALSE(is_request_path("/a\r\nb"));
  CHECK_FALSE(is_request_path("/\xc3\xa4"));
}

}  // namespace
}  // namespace vipward::config
