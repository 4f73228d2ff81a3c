// `drain` and `undrain` with their file: what is answered, logged, written, and read at the next start.
#include "lb/guardian/drains.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <fstream>
#include <sstream>

#include "tests/component/app/captured_log.h"
#include "tests/support/temp_dir.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

Config two_masters() {
  Config config;
  ServiceConfig& service = config.services.emplace_back();
  service.name = "api";
  service.backends = {{.name = "master-1", .address = *SocketAddress::parse("10.0.0.11:6443"), .weight = 1},
                      {.name = "master-2", .address = *SocketAddress::parse("10.0.0.12:6443"), .weight = 1}};
  return config;
}

struct Fixture {
  TempDir folder;
  CapturedLog log;
  Config config = two_masters();
  unsigned changes = 0;
  std::optional<Drains> drains;

  Fixture() { start(); }
  void start(const std::optional<std::string>& inherited = {}) {
    drains.emplace(log.log(), config, path(), inherited, [this] { ++changes; });
  }
  std::string path() const { return folder.file("control.sock.drains"); }
  std::string content() const {
    std::ostringstream text;
    text << std::ifstream(path()).rdbuf();
    return text.str();
  }
  // What the client hears until the end.
  static std::string answer(const std::function<void(CommandReply)>& command) {
    std::array<int, 2> ends{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
    const Fd client(ends[0]);
    command(CommandReply{Fd(ends[1])});
    std::array<char, 1000> text;
    const ssize_t size = recv(client.get(), text.data(), text.size(), 0);
    REQUIRE(size > 0);
    CHECK(recv(client.get(), text.data() + size, 1, 0) == 0);
    return {text.data(), static_cast<std::size_t>(size)};
  }
  std::string drain(const std::string& name, std::optional<std::chrono::milliseconds> limit = {}) {
    return answer(
        [&](CommandReply reply) { drains->drain({.name = name, .limit = limit}, std::move(reply)); });
  }
  std::string undrain(const std::string& name) {
    return answer([&](CommandReply reply) { drains->undrain({.name = name}, std::move(reply)); });
  }
  std::size_t told() const { return drains->message().backends.size(); }
};

TEST_CASE("a drain is answered, logged, told, and there at the next start") {
  Fixture f;
  CHECK(f.drain("master-1") ==
        "ok api/master-1 is drained, its sessions are kept until they end\n"
        "vipward status shows how many sessions are left\n");
  CHECK(f.changes == 1);
  CHECK(f.told() == 1);
  CHECK(f.log.wait_for("info  backend drained by the operator service=api backend=master-1 deadline=none"));
  f.start();
  CHECK(f.told() == 1);
  CHECK(f.drains->message().backends.front().deadline_unix_ms == 0);

  CHECK(f.undrain("master-1") == "ok api/master-1 gets new sessions again\n");
  CHECK(f.changes == 2);
  CHECK(f.log.wait_for("info  backend undrained service=api backend=master-1"));
  CHECK(f.told() == 0);
  struct stat status {};
  CHECK(stat(f.path().c_str(), &status) != 0);
  f.start();
  CHECK(f.told() == 0);
}

TEST_CASE("a deadline is a moment of the wall clock, in the log and in the file") {
  Fixture f;
  f.drain("api/master-2", 1h);
  const channel::DrainedBackend drained = f.drains->message().backends.front();
  CHECK(drained.backend == 1);
  CHECK(drained.deadline_unix_ms - drained.since_unix_ms == 3'600'000);
  CHECK(f.content() == "api/master-2 " + std::to_string(drained.since_unix_ms) + " " +
                           std::to_string(drained.deadline_unix_ms) + "\n");
  CHECK(f.log.wait_for("backend=master-2 deadline=20"));
  struct stat status {};
  REQUIRE(stat(f.path().c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);
}

TEST_CASE("what is refused or changes nothing is told to nobody else") {
  Fixture f;
  CHECK(f.drain("master-3") ==
        "error there is no backend \"master-3\", there are: api/master-1, api/master-2\n");
  CHECK(f.undrain("master-1") == "ok master-1 is not drained\n");
  CHECK(f.changes == 0);
  CHECK(f.content().empty());
  f.drain("master-1");
  CHECK(f.drain("master-2") ==
        "error api: master-2 is the only one that is not drained, new clients would be refused; undrain "
        "another "
        "one first\n");
  CHECK(f.changes == 1);
}

TEST_CASE("a file that cannot be written fails the command, and nothing has changed") {
  Fixture f;
  f.drain("master-1");
  const std::string before = f.content();
  // A folder in the place of the new file, that is not empty.
  const std::string in_the_way = f.path() + ".new";
  REQUIRE(mkdir(in_the_way.c_str(), 0700) == 0);
  const std::string error = "cannot write " + in_the_way + ": File exists";
  CHECK(f.drain("master-1", 90s) == "error nothing changed: " + error + "\n");
  CHECK(f.log.wait_for("error drains cannot be written, nothing changed error=\"" + error + "\""));
  CHECK(f.changes == 1);
  CHECK(f.content() == before);
  CHECK(f.drains->message().backends.front().deadline_unix_ms == 0);
}

TEST_CASE("a file that cannot be read counts as empty, and the log says why") {
  Fixture f;
  SUBCASE("a folder") {
    REQUIRE(mkdir(f.path().c_str(), 0700) == 0);
    f.start();
    CHECK(f.log.wait_for("error drains cannot be read, nothing is drained error=\"" + f.path() +
                         ": not a regular file\""));
  }
  SUBCASE("a link") {
    REQUIRE(symlink("/dev/zero", f.path().c_str()) == 0);
    f.start();
    CHECK(f.log.wait_for(f.path() + ": Too many levels of symbolic links"));
  }
  SUBCASE("too large") {
    std::ofstream(f.path()) << std::string(65'537, '\n');
    f.start();
    CHECK(f.log.wait_for(f.path() + ": larger than 65536 bytes"));
  }
  CHECK(f.told() == 0);
}

TEST_CASE("what the last image left counts, whatever has become of the file") {
  Fixture f;
  f.drain("master-1", 1h);
  const std::string left = f.drains->text();
  CHECK(left == f.content());
  SUBCASE("it is gone") {
    REQUIRE(unlink(f.path().c_str()) == 0);
  }
  SUBCASE("it is damaged") {
    std::ofstream(f.path()) << "nonsense\n";
  }
  f.start(left);
  CHECK(f.told() == 1);
  CHECK(f.drains->text() == left);
  // With the next change it is whole again.
  f.drain("master-1", 1h);
  CHECK(f.content() == f.drains->text());
  CHECK(f.log.count("error") == 0);
}

TEST_CASE("that nothing was drained is left as well") {
  Fixture f;
  std::ofstream(f.path()) << "api/master-1 1795597936250 0\n";
  f.start("");
  CHECK(f.told() == 0);
}

TEST_CASE("damaged lines of the file are logged at the start, and the others count") {
  Fixture f;
  std::ofstream(f.path()) << "api/master-1 17955979\napi/master-2 1795597936250 0\n\napi/master-2 1 0\n";
  f.start();
  CHECK(f.told() == 1);
  CHECK(f.log.wait_for("error lines of the list of drains make no sense, they are skipped file=" + f.path() +
                       " lines=2 first=\"api/master-1 17955979\""));
}

TEST_CASE("names that the configuration does not have are said at the start, and kept in the file") {
  Fixture f;
  std::ofstream(f.path()) << "api/master-4 1795597936250 0\n";
  f.start();
  CHECK(f.log.wait_for("warn  drained, but not in the configuration service=api backend=master-4"));
  f.drain("master-1");
  CHECK(f.content().starts_with("api/master-4 1795597936250 0\napi/master-1 "));
  CHECK(f.told() == 1);
}

}  // namespace
}  // namespace vipward::test
