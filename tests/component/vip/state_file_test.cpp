#include "lb/vip/state_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/support/temp_dir.h"

namespace vipward::test {
namespace {

const RecordedAddress kFirst{*IpAddress::parse("10.0.0.100"), "eth0"};
const RecordedAddress kSecond{*IpAddress::parse("10.0.0.101"), "bond0.100"};

TEST_CASE("what is written is read again, and nothing means no file") {
  const TempDir folder;
  const StateFile file(folder.file("state"));
  CHECK(file.read().empty());
  CHECK(file.write({}) == std::nullopt);
  REQUIRE(file.write(std::vector{kFirst, kSecond}) == std::nullopt);
  CHECK(file.read() == std::vector{kFirst, kSecond});
  REQUIRE(file.write(std::vector{kSecond}) == std::nullopt);
  CHECK(file.read() == std::vector{kSecond});
  CHECK_FALSE(std::filesystem::exists(folder.file("state.new")));
  REQUIRE(file.write({}) == std::nullopt);
  CHECK_FALSE(std::filesystem::exists(folder.file("state")));
}

TEST_CASE("lines that make no sense are skipped") {
  const TempDir folder;
  const StateFile file(folder.file("state"));
  SUBCASE("of every kind") {
    write_file(file.path(),
               "\n10.0.0.100\n10.0.0.100 \n 10.0.0.100 eth0\nx eth0\n10.0.0.300 eth0\n0.0.0.0 eth0\n"
               "10.0.0.1 a/b\n10.0.0.1 a:b\n10.0.0.1 two words\n10.0.0.1 sixteenletters16\n"
               "10.0.0.100 eth0\r\n10.0.0.100 eth0\n10.0.0.101 bond0.100");
  }
  SUBCASE("with bytes that are no text") {
    write_file(file.path(), std::string("\0\xff\xfe 1\n10.0.0.100 eth0\n", 22) + "10.0.0.101 bond0.100\n");
  }
  CHECK(file.read() == std::vector{kFirst, kSecond});
}

TEST_CASE("what is no regular file, or far too long, is not read") {
  const TempDir folder;
  const StateFile file(folder.file("state"));
  SUBCASE("a link") {
    write_file(folder.file("elsewhere"), "10.0.0.100 eth0\n");
    std::filesystem::create_symlink(folder.file("elsewhere"), file.path());
  }
  SUBCASE("a pipe") {
    REQUIRE(mkfifo(file.path().c_str(), 0600) == 0);
  }
  SUBCASE("a folder") {
    std::filesystem::create_directory(file.path());
  }
  SUBCASE("65 KiB") {
    std::string text;
    while (text.size() <= 65536) text += "10.0.0.100 eth0\n";
    write_file(file.path(), text);
  }
  CHECK(file.read().empty());
}

TEST_CASE("a file of many lines gives 256 of them") {
  const TempDir folder;
  const StateFile file(folder.file("state"));
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "10.0.0.100 eth0\n";
  write_file(file.path(), text);
  CHECK(file.read().size() == 256);
}

TEST_CASE("a link in the place of the new file leads nowhere") {
  const TempDir folder;
  const StateFile file(folder.file("state"));
  write_file(folder.file("elsewhere"), "precious");
  std::filesystem::create_symlink(folder.file("elsewhere"), folder.file("state.new"));
  REQUIRE(file.write(std::vector{kFirst}) == std::nullopt);
  CHECK(read_file(folder.file("elsewhere")) == "precious");
  CHECK(file.read() == std::vector{kFirst});
}

TEST_CASE("a folder that is missing is said") {
  const TempDir folder;
  const StateFile file(folder.file("missing/state"));
  CHECK(file.write(std::vector{kFirst}) ==
        "cannot write " + folder.file("missing/state.new") + ": No such file or directory");
}

}  // namespace
}  // namespace vipward::test
