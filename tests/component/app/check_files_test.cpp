// The files of the checks at the proxy's end: what is handed over of their contents, and what is refused.
#include "lb/app/check_files.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "tests/component/app/app_under_test.h"
#include "tests/component/app/captured_log.h"

namespace vipward::test {
namespace {

using channel::CheckFileKind;

ServiceConfig service_with_all(const std::string& name) {
  ServiceConfig service;
  service.name = name;
  CheckTlsConfig& tls = service.health_check.tls;
  tls.ca_file = "/etc/ca";
  tls.certificate_file = "/etc/certificate";
  tls.key_file = "/etc/key";
  service.health_check.bearer_token_file = "/etc/token";
  return service;
}

ServiceConfig service_with_token(const std::string& name) {
  ServiceConfig service;
  service.name = name;
  service.health_check.bearer_token_file = "/etc/token";
  return service;
}

channel::CheckFiles token(Fd file) {
  channel::CheckFiles message;
  message.files.push_back({.kind = CheckFileKind::Token, .file = std::move(file)});
  return message;
}
channel::CheckFiles token(std::string_view content) {
  return token(memory_file(content));
}

// In place of the checks a list of what they were given; tokens that begin with "bad" are none.
struct Bench {
  explicit Bench(ServiceConfig service)
      : files(log.log(), {std::move(service)}, [this](std::size_t, CheckMaterial material) {
          if (material.bearer_token.starts_with("bad")) return std::string("no such token");
          applied.push_back(std::move(material));
          return std::string();
        }) {}

  CapturedLog log;
  std::vector<CheckMaterial> applied;
  CheckFiles files;
};

TEST_CASE("contents are handed over whole, a token without its line end") {
  Bench bench(service_with_all("api"));
  const std::string big_ca(900'000, 'c');
  channel::CheckFiles message;
  // In whatever order.
  message.files.push_back({.kind = CheckFileKind::Token, .file = memory_file("secret \r\n\n")});
  message.files.push_back({.kind = CheckFileKind::Ca, .file = memory_file(big_ca)});
  message.files.push_back({.kind = CheckFileKind::Key, .file = memory_file("key\n")});
  message.files.push_back({.kind = CheckFileKind::Certificate, .file = memory_file("certificate\n")});
  // Wherever their position is.
  for (const channel::NamedFd& file : message.files) lseek(file.file.get(), 0, SEEK_END);
  CHECK(bench.files.load(message) == "");
  REQUIRE(bench.applied.size() == 1);
  CHECK(bench.applied[0].ca_pem == big_ca);
  CHECK(bench.applied[0].certificate_pem == "certificate\n");
  CHECK(bench.applied[0].key_pem == "key\n");
  CHECK(bench.applied[0].bearer_token == "secret");
}

TEST_CASE("what cannot be used is said with key and file, and nothing of it is applied") {
  std::array<int, 2> pipe_ends{};
  REQUIRE(pipe2(pipe_ends.data(), O_CLOEXEC) == 0);
  const Fd write_end(pipe_ends[1]);
  const std::string where = "api.health_check.bearer_token_file: /etc/token: ";
  Bench bench(service_with_token("api"));
  CHECK(bench.files.load(token("")) == where + "is empty");
  CHECK(bench.files.load(token(" \r\n")) == where + "is empty");
  CHECK(bench.files.load(token(std::string(1024 * 1024 + 1, 'x'))) == where + "larger than 1 MiB");
  CHECK(bench.files.load(token(Fd(pipe_ends[0]))) == where + "Illegal seek");
  CHECK(bench.files.load(channel::CheckFiles()) == where + "was not opened for the proxy");
  CHECK(bench.files.load(token("bad\n")) == "api.health_check: no such token (/etc/token)");
  CHECK(bench.applied.empty());
  CHECK(bench.files.load(token(std::string(1024 * 1024, 'x'))) == "");
}

TEST_CASE("files that nobody has configured are not looked at") {
  Bench bench(service_with_token("api"));
  channel::CheckFiles message = token("good\n");
  message.files.push_back({.kind = CheckFileKind::Ca, .file = memory_file("")});
  CHECK(bench.files.load(message) == "");
  REQUIRE(bench.applied.size() == 1);
  CHECK(bench.applied[0].ca_pem.empty());
}

TEST_CASE("new files are said to be read, the same trouble once, and the next good ones are taken") {
  Bench bench(service_with_token("api"));
  const auto complaints = [&](const std::string& problem) {
    return bench.log.count(
        "error check files changed but cannot be used, the old ones stay in use problem=\"" + problem);
  };
  bench.files.reload(token("one\n"));
  bench.files.reload(token("bad\n"));
  bench.files.reload(token("bad\n"));
  bench.files.reload(token(""));
  bench.files.reload(token("two\n"));
  bench.files.reload(token("bad\n"));
  REQUIRE(bench.log.wait_for("no such token", 2));
  CHECK(complaints("api.health_check: no such token (/etc/token)") == 2);
  CHECK(complaints("api.health_check.bearer_token_file: /etc/token: is empty") == 1);
  CHECK(bench.log.count("info  check files read again service=api") == 2);
  REQUIRE(bench.applied.size() == 2);
  CHECK(bench.applied[1].bearer_token == "two");
}

}  // namespace
}  // namespace vipward::test
