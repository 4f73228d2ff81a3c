// The files of the checks: what is handed over, what is refused, and what counts as a change.
#include "lb/app/check_files.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "tests/component/app/app_under_test.h"
#include "tests/component/app/captured_log.h"
#include "tests/support/temp_dir.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;

// This thread opens files as somebody whom their rights bind, root too (setfsuid(2): the capabilities go
// along).
class OpensFilesAsNobody {
 public:
  OpensFilesAsNobody() : group_(setfsgid(kNobody)), user_(setfsuid(kNobody)) {}
  ~OpensFilesAsNobody() {
    setfsuid(static_cast<uid_t>(user_));
    setfsgid(static_cast<gid_t>(group_));
  }
  OpensFilesAsNobody(const OpensFilesAsNobody&) = delete;
  OpensFilesAsNobody& operator=(const OpensFilesAsNobody&) = delete;

 private:
  int group_;
  int user_;
};

ServiceConfig service_with_token(const std::string& name, const std::string& path) {
  ServiceConfig service;
  service.name = name;
  service.health_check.bearer_token_file = path;
  return service;
}

// CheckFiles on a loop of the test's own thread, and in place of the checks a list of what they were given.
class Bench {
 public:
  // The last service has a file of the bench's: when its change has come through, all others were looked at.
  explicit Bench(std::vector<ServiceConfig> services) : applied_(services.size() + 1) {
    fs::permissions(folder_.path(), fs::perms{0755});
    services.push_back(service_with_token("pulse", write_pulse()));
    files_ = std::make_unique<CheckFiles>(loop_, log_.log(), std::move(services),
                                          [this](std::size_t service, CheckMaterial material) {
                                            if (material.bearer_token.starts_with("bad")) {
                                              ++refused_;
                                              return std::string("no such token");
                                            }
                                            applied_[service].push_back(std::move(material));
                                            return std::string();
                                          });
  }

  CheckFiles& files() { return *files_; }
  const std::vector<CheckMaterial>& applied(std::size_t service) const { return applied_[service]; }
  std::vector<std::string> tokens(std::size_t service) const {
    std::vector<std::string> tokens;
    for (const CheckMaterial& material : applied_[service]) tokens.push_back(material.bearer_token);
    return tokens;
  }
  int refused() const { return refused_; }
  std::size_t logged(std::string_view part) const { return log_.count(part); }

  // Turns the loop until every service was looked at once more; false if it does not come to that.
  bool look() {
    write_pulse();
    const std::size_t pulses = applied_.back().size();
    const TimePoint deadline = loop_.now() + kPatience;
    std::unique_ptr<Timer> timer;
    timer = std::make_unique<Timer>(loop_, [&] {
      if (applied_.back().size() > pulses || loop_.now() >= deadline) {
        loop_.stop();
      } else {
        timer->arm_after(5ms);
      }
    });
    timer->arm_after(5ms);
    {
      const OpensFilesAsNobody nobody;
      loop_.run();
    }
    // What was logged about the services before it is written by then.
    return applied_.back().size() > pulses && log_.wait_for("read again service=pulse", pulses);
  }

 private:
  std::string write_pulse() { return folder_.file("pulse", "pulse-" + std::to_string(++pulses_)); }

  TempDir folder_;
  CapturedLog log_;
  Loop loop_;
  int pulses_ = 0;
  int refused_ = 0;
  std::vector<std::vector<CheckMaterial>> applied_;  // by service
  std::unique_ptr<CheckFiles> files_;
};

void overwrite(const std::string& path, std::string_view content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

using Texts = std::vector<std::string>;

TEST_CASE("contents are handed over whole, a token without its line end") {
  const TempDir folder;
  ServiceConfig service = service_with_token("api", folder.file("token", "secret \r\n\n"));
  CheckTlsConfig& tls = service.health_check.tls;
  const std::string big_ca(900'000, 'c');
  tls.ca_file = folder.file("ca", big_ca);
  tls.certificate_file = folder.file("certificate", "certificate\n");
  tls.key_file = folder.file("key", "key\n");
  Bench bench({service});
  CHECK(bench.files().load() == Texts{});
  REQUIRE(bench.applied(0).size() == 1);
  const CheckMaterial& material = bench.applied(0)[0];
  CHECK(material.ca_pem == big_ca);
  CHECK(material.certificate_pem == "certificate\n");
  CHECK(material.key_pem == "key\n");
  CHECK(material.bearer_token == "secret");
}

TEST_CASE("what cannot be read is said at once, each with key and file, and nothing of it is applied") {
  const TempDir folder;
  const std::string newline = folder.file("newline", "\n");
  const std::string missing = folder.file("missing");
  const std::string directory = folder.file("folder");
  const std::string fifo = folder.file("fifo");
  const std::string huge = folder.file("huge", std::string(2 << 20, 'x'));
  const std::string empty = folder.file("empty", "");
  const std::string bad = folder.file("bad", "bad\n");
  fs::create_directory(directory);
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  std::vector<ServiceConfig> services;
  for (const std::string& path : {newline, missing, directory, fifo, huge, bad}) {
    services.push_back(service_with_token(fs::path(path).filename(), path));
  }
  ServiceConfig& tls = services.emplace_back();
  tls.name = "tls";
  tls.health_check.tls.ca_file = empty;
  tls.health_check.tls.certificate_file = missing;
  ServiceConfig& pair = services.emplace_back();
  pair.name = "pair";
  pair.health_check.tls.certificate_file = bad;
  pair.health_check.tls.key_file = fifo;
  Bench bench(services);
  CHECK(bench.files().load() ==
        Texts{"newline.health_check.bearer_token_file: " + newline + ": is empty",
              "missing.health_check.bearer_token_file: " + missing + ": No such file or directory",
              "folder.health_check.bearer_token_file: " + directory + ": not a regular file",
              "fifo.health_check.bearer_token_file: " + fifo + ": not a regular file",
              "huge.health_check.bearer_token_file: " + huge + ": larger than 1 MiB",
              "bad.health_check: no such token (" + bad + ")",
              "tls.health_check.tls.ca_file: " + empty + ": is empty",
              "pair.health_check.tls.key_file: " + fifo + ": not a regular file"});
  for (std::size_t i = 0; i < services.size(); ++i) CHECK(bench.applied(i).empty());
}

// Many files in one timeline: a look takes a second.
TEST_CASE("every kind of change is seen, what is no good is said once, and the next good one is taken") {
  umask(022);
  const TempDir folder;
  fs::permissions(folder.path(), fs::perms{0755});
  const std::string in_place = folder.file("in_place", "one\n");
  const std::string renamed = folder.file("renamed", "one\n");
  // As the kubelet does it: the name stays a link to "..data/token", and "..data" is swapped.
  for (const char* version : {"v1", "v2"}) fs::create_directory(folder.path() / version);
  folder.file("v1/token", "one\n");
  folder.file("v2/token", "two\n");
  fs::create_symlink("v1", folder.file("..data"));
  const std::string linked = folder.file("linked");
  fs::create_symlink("..data/token", linked);
  const std::string locked = folder.file("locked", "one\n");
  const std::string recreated = folder.file("recreated", "one\n");
  const std::string refused = folder.file("refused", "one\n");
  enum : std::size_t { kInPlace, kRenamed, kLinked, kLocked, kRecreated, kRefused, kBare };
  ServiceConfig bare;
  bare.name = "bare";
  Bench bench({service_with_token("in_place", in_place), service_with_token("renamed", renamed),
               service_with_token("linked", linked), service_with_token("locked", locked),
               service_with_token("recreated", recreated), service_with_token("refused", refused), bare});
  const auto complaints = [&](const std::string& problem) {
    return bench.logged("error check files changed but cannot be used, the old ones stay in use problem=\"" +
                        problem);
  };
  const std::string locked_problem =
      "locked.health_check.bearer_token_file: " + locked + ": Permission denied";
  const std::string gone_problem =
      "recreated.health_check.bearer_token_file: " + recreated + ": No such file or directory";
  const std::string refused_problem = "refused.health_check: no such token (" + refused + ")";

  REQUIRE(bench.files().load() == Texts{});
  bench.files().watch();
  struct stat original {};
  REQUIRE(stat(recreated.c_str(), &original) == 0);

  // The same size, each time: it is not what tells them apart.
  overwrite(in_place, "two\n");
  write_file(renamed, "two\n");
  fs::create_symlink("v2", folder.file("..data.new"));
  fs::rename(folder.file("..data.new"), folder.file("..data"));
  fs::permissions(locked, fs::perms::none);
  fs::remove(recreated);
  write_file(refused, "bad\n");
  for (int looks = 0; looks < 2; ++looks) {
    CAPTURE(looks);
    REQUIRE(bench.look());
    CHECK(bench.tokens(kInPlace) == Texts{"one", "two"});
    CHECK(bench.tokens(kRenamed) == Texts{"one", "two"});
    CHECK(bench.tokens(kLinked) == Texts{"one", "two"});
    CHECK(bench.tokens(kLocked) == Texts{"one"});
    CHECK(bench.tokens(kRecreated) == Texts{"one"});
    CHECK(bench.tokens(kRefused) == Texts{"one"});
    CHECK(bench.refused() == 1);
    CHECK(complaints(locked_problem) == 1);
    CHECK(complaints(gone_problem) == 1);
    CHECK(complaints(refused_problem) == 1);
    CHECK(complaints("") == 3);
  }

  fs::permissions(locked, fs::perms{0644});
  overwrite(recreated, "one\n");
  const timespec times[] = {original.st_atim, original.st_mtim};
  REQUIRE(utimensat(AT_FDCWD, recreated.c_str(), times, 0) == 0);
  overwrite(refused, "two\n");
  REQUIRE(bench.look());
  CHECK(bench.tokens(kLocked) == Texts{"one", "one"});
  CHECK(bench.tokens(kRecreated) == Texts{"one", "one"});
  CHECK(bench.tokens(kRefused) == Texts{"one", "two"});
  CHECK(complaints("") == 3);
  for (const char* name : {"in_place", "renamed", "linked", "locked", "recreated", "refused"}) {
    CHECK(bench.logged(std::string("check files read again service=") + name) == 1);
  }

  // Trouble that comes back is news.
  fs::permissions(locked, fs::perms::none);
  REQUIRE(bench.look());
  CHECK(complaints(locked_problem) == 2);

  CHECK(bench.tokens(kInPlace) == Texts{"one", "two"});
  CHECK(bench.applied(kBare).size() == 1);
  CHECK(bench.logged("service=bare") == 0);
}

}  // namespace
}  // namespace vipward::test
