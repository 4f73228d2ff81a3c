#include <doctest/doctest.h>

#include "tests/unit/config/yaml_text.h"

namespace vipward::config_test {
namespace {

std::string repeated(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

TEST_CASE("a document must be one mapping with something in it") {
  CHECK(errors_of("") == "f:1:1: the file is empty, at least services is required");
  CHECK(errors_of("# nothing\n\n---\n") == "f:1:1: the file is empty, at least services is required");
  CHECK(errors_of("services") == "f:1:1: the file must be a mapping, at least services is required");
  CHECK(errors_of("- services") == "f:1:1: the file must be a mapping, at least services is required");
  CHECK(errors_of("---\nx-a: 1\n---\nx-b: 2\n") == "f:3:1: a second document starts here, one is allowed");
}

TEST_CASE("syntax errors say where") {
  CHECK(errors_of("services:\n  - listen: [a\n    b: c\n") ==
        "f:3:6: not valid YAML: end of sequence flow not found");
  CHECK(errors_of("services: *a\n") == "f:1:11: not valid YAML: the referenced anchor is not defined");
}

TEST_CASE("only text is read") {
  CHECK(errors_of("a: \xff\n") == "f:1:4: the byte 0xff is not valid UTF-8, a text file is expected");
  CHECK(errors_of("a: \xed\xa0\x80\n") == "f:1:4: the byte 0xed is not valid UTF-8, a text file is expected");
  CHECK(errors_of("a: \xe4\xb8") == "f:1:4: the byte 0xe4 is not valid UTF-8, a text file is expected");
  CHECK(errors_of(std::string("a: b\n  c\0", 9)) ==
        "f:2:4: the byte 0x00 is a control character, a text file is expected");
  CHECK(errors_of("a: \x04") == "f:1:4: the byte 0x04 is a control character, a text file is expected");
  CHECK(errors_of("\xff\xfe"
                  "a") == "f:1:1: the byte 0xff is not valid UTF-8, a text file is expected");
  CHECK(errors_of("\xef\xbb\xbf# a byte order mark, \xc3\xa4\xe4\xb8\xad\xf0\x9f\x98\x80\r\n" +
                  with_service_keys(""))
            .empty());
}

TEST_CASE("a text of more than one MiB is refused") {
  CHECK(errors_of(std::string(1024 * 1024 + 1, ' ')) ==
        "f:1:1: the file is too large, at most 1 MiB is allowed");
}

TEST_CASE("nesting is limited, however deep it is") {
  const std::string items = repeated("[0]", 32);
  const std::string too_deep = ": nested too deeply, at most 32 levels are allowed";
  CHECK(errors_of(repeated("[", 100'000) + repeated("]", 100'000)) == "f:1:33: " + items + too_deep);
  CHECK(errors_of(repeated("- ", 100'000)) == "f:1:65: " + items + too_deep);
  CHECK(errors_of(repeated("[", 100'000)).starts_with("f:1:"));
  CHECK(errors_of(repeated("{a: ", 100'000)).starts_with("f:1:"));
  CHECK(errors_of(repeated("? ", 100'000)).starts_with("f:1:"));
  std::string block;
  for (int depth = 0; depth < 1000; ++depth)
    block += std::string(static_cast<std::size_t>(depth), ' ') + "a:\n";
  CHECK(errors_of(block).ends_with(too_deep));
}

TEST_CASE("an alias does not get around the limit of nesting") {
  const std::string deep = "x-a: &a " + repeated("[", 20) + repeated("]", 20) + "\n";
  CHECK(errors_of(deep + "x-b: " + repeated("[", 12) + "*a" + repeated("]", 12) + "\n") ==
        "f:2:18: x-b" + repeated("[0]", 12) + ": nested too deeply, at most 32 levels are allowed");
}

TEST_CASE("an alias bomb is counted, not expanded") {
  std::string bomb = "x-0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
  for (int i = 1; i < 30; ++i) {
    const std::string alias = "*a" + std::to_string(i - 1);
    bomb += "x-" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + alias + repeated(", " + alias, 9) +
            "]\n";
  }
  CHECK(errors_of(bomb) ==
        "f:5:46: the document is too large, at most 100000 values are allowed, each use of an alias counted "
        "in full");
}

TEST_CASE("merge keys that double cannot explode either") {
  std::string bomb = "x-0: &a0 {k: {a: 1, b: 2}}\n";
  for (int i = 1; i < 60; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    bomb += "x-" + std::to_string(i) + ": &a" + std::to_string(i) + " {<<: [" + last + ", " + last + "], k" +
            std::to_string(i) + ": " + last + "}\n";
  }
  CHECK(errors_of(bomb).ends_with(
      "the document is too large, at most 100000 values are allowed, each use of an alias counted in full"));
}

TEST_CASE("an alias inside what it names is refused") {
  CHECK(errors_of("services: &a [*a]\n") ==
        "f:1:15: services[0]: an alias must not stand inside what it names");
  CHECK(errors_of("services: &a {<<: *a}\n") ==
        "f:1:19: services.\"<<\": an alias must not stand inside what it names");
}

TEST_CASE("a key set twice is an error, and what else is wrong is still found") {
  CHECK(errors_of(with_service_keys("access_log: true\n    access_log: false\n    rise: 3")) ==
        "f:6:5: services[0].access_log: set twice in the same mapping, first in line 5\n"
        "f:7:5: services[0].rise: unknown key, allowed: name, listen, balance, backends, health_check, "
        "connect, "
        "first_data_timeout, keepalive, tcp_user_timeout, idle_timeout, half_close_timeout, drain, "
        "when_none_ready, "
        "max_connections, allow, access_log");
}

TEST_CASE("a key must be text") {
  const std::string must = ": a key must be text, not empty, a list, a mapping or an alias";
  CHECK(errors_of("? [a]\n: b\n") == "f:1:3" + must);
  CHECK(errors_of("? {a: b}\n: b\n") == "f:1:3" + must);
  CHECK(errors_of("log: {~: b}\n") == "f:1:7: log" + must);
  CHECK(errors_of("x-a: &a b\n*a : c\n") == "f:2:1" + must);
}

TEST_CASE("tags of one's own are refused, those of YAML are not") {
  CHECK(errors_of(with_top_keys("log: {level: !secret info}")) ==
        "f:1:14: log.level: the tag \"!secret\" is not supported");
  CHECK(errors_of(with_top_keys("log: !!map {level: !!str info}")).empty());
}

TEST_CASE("a merge key brings in what the mapping does not say itself") {
  const Config config = config_of(R"(
x-check: &check {protocol: tcp, rise: 5, fall: 6}
x-limits: &limits {rise: 7, fast_interval: 20ms}
services:
  - &first
    listen: 10.0.0.1:1
    backends: [10.0.0.11:1]
    health_check: {<<: *check, fall: 9}
  - <<: *first
    listen: 10.0.0.1:2
    health_check:
      <<: [*check, *limits]
)");
  CHECK(config.services.at(0).health_check.rise == 5);
  CHECK(config.services.at(0).health_check.fall == 9);
  CHECK(config.services.at(1).backends.size() == 1);
  CHECK(config.services.at(1).health_check.rise == 5);
  CHECK(config.services.at(1).health_check.fall == 6);
  CHECK(config.services.at(1).health_check.fast_interval == std::chrono::milliseconds{20});
}

TEST_CASE("what a merge key must not be") {
  CHECK(errors_of(with_top_keys("log: {<<: 3}")) ==
        "f:1:11: log.\"<<\": merges only mappings, allowed: an alias of a mapping or a list of them");
  CHECK(errors_of(with_top_keys("log: {<<: [{level: info}, [x]]}")) ==
        "f:1:27: log.\"<<\": merges only mappings, allowed: an alias of a mapping or a list of them");
  CHECK(errors_of(with_top_keys("x-a: &a {level: info}\nlog: {<<: *a, <<: *a}")) ==
        "f:2:15: log.\"<<\": set twice in the same mapping, several aliases are a list: [*a, *b]");
  CHECK(errors_of(with_top_keys("log: {\"<<\": {level: info}}")) ==
        "f:1:7: log.\"<<\": unknown key, allowed: level, format");
}

TEST_CASE("an error in what an alias stands for is said at its place, once for each use") {
  CHECK(errors_of(R"(x-c: &c {protocol: tcp, rise: 0}
services:
- {listen: 10.0.0.1:1, backends: [10.0.0.11:1], health_check: *c}
- {listen: 10.0.0.1:2, backends: [10.0.0.11:1], health_check: *c}
)") == "f:1:31: services[0].health_check.rise: 0 is out of range, allowed: 1 to 100\n"
       "f:1:31: services[1].health_check.rise: 0 is out of range, allowed: 1 to 100");
}

}  // namespace
}  // namespace vipward::config_test
