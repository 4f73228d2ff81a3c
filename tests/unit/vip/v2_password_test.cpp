#include "lb/vip/v2_password.h"

#include <doctest/doctest.h>

#include "tests/support/temp_dir.h"

namespace vipward {
namespace {

std::string problem_of(std::string_view text) {
  const auto parsed = parse_v2_password(text);
  const auto* problem = std::get_if<std::string>(&parsed);
  return problem != nullptr ? *problem : "none";
}

TEST_CASE("a password is up to eight bytes, padded with zeros, and perhaps a newline") {
  const VrrpPassword full{'s', '3', 'c', 'r', 'e', 't', 'p', 'w'};
  const VrrpPassword one{'x'};
  for (const char* text : {"s3cretpw", "s3cretpw\n", "s3cretpw\r\n"}) {
    CHECK(std::get<VrrpPassword>(parse_v2_password(text)) == full);
  }
  CHECK(std::get<VrrpPassword>(parse_v2_password("x\n")) == one);
}

TEST_CASE("what is no password is said") {
  const std::string allowed = ", allowed: 1 to 8 bytes, and a newline";
  CHECK(problem_of("") == "is empty" + allowed);
  CHECK(problem_of("\n") == "is empty" + allowed);
  CHECK(problem_of("123456789") ==
        "is longer than the field, and keepalived cuts it off after 8 bytes" + allowed);
  CHECK(problem_of("a\nb") == "has more than one line, or a zero byte" + allowed);
  CHECK(problem_of(std::string_view("a\0b", 3)) == "has more than one line, or a zero byte" + allowed);
}

TEST_CASE("a password's file is named when it cannot be used") {
  const test::TempDir folder;
  const std::string file = folder.file("password", "123456789\n");
  CHECK(std::get<std::string>(read_v2_password(file))
            .starts_with("vip.v2_password_file: " + file + " is longer"));
  CHECK(std::get<std::string>(read_v2_password(folder.file("missing"))) ==
        "vip.v2_password_file: " + folder.file("missing") +
            ": cannot read the file: No such file or directory");
}

}  // namespace
}  // namespace vipward
