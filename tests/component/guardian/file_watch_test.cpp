// The files of the checks: what is opened, what is refused, and what counts as a change.
#include "lb/guardian/file_watch.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <map>

#include "tests/support/temp_dir.h"

namespace vipward::test {
namespace {

namespace fs = std::filesystem;
using channel::CheckFileKind;

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

std::string content_of(const Fd& file) {
  std::string text;
  std::array<char, 4096> chunk{};
  for (ssize_t n = 0;
       (n = pread(file.get(), chunk.data(), chunk.size(), static_cast<off_t>(text.size()))) > 0;) {
    text.append(chunk.data(), static_cast<std::size_t>(n));
  }
  return text;
}

// By the service's index, its only file's content or what is wrong.
using Found = std::map<std::uint32_t, std::string>;
Found found(const std::vector<FileWatch::Opened>& opened) {
  Found result;
  for (const FileWatch::Opened& service : opened) {
    result[service.service] = service.problem;
    if (service.problem.empty()) result[service.service] = content_of(service.files.at(0).file);
  }
  return result;
}

void overwrite(const std::string& path, std::string_view content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

TEST_CASE("every file that is configured is opened, each with its kind") {
  const TempDir folder;
  ServiceConfig service = service_with_token("api", folder.file("token", "token\n"));
  CheckTlsConfig& tls = service.health_check.tls;
  const std::string big_ca(900'000, 'c');
  tls.ca_file = folder.file("ca", big_ca);
  tls.certificate_file = folder.file("certificate", "certificate\n");
  tls.key_file = folder.file("key", "key\n");
  ServiceConfig bare;
  ServiceConfig secured;
  secured.health_check.tls.ca_file = folder.file("other", "other\n");
  FileWatch watch({service, bare, secured});
  const auto opened = watch.open_all();
  REQUIRE(opened.size() == 2);
  CHECK(opened[0].service == 0);
  CHECK(opened[0].problem.empty());
  const std::vector<std::pair<CheckFileKind, std::string>> expected{
      {CheckFileKind::Ca, big_ca},
      {CheckFileKind::Certificate, "certificate\n"},
      {CheckFileKind::Key, "key\n"},
      {CheckFileKind::Token, "token\n"}};
  REQUIRE(opened[0].files.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(opened[0].files[i].kind == expected[i].first);
    CHECK(content_of(opened[0].files[i].file) == expected[i].second);
  }
  CHECK(opened[1].service == 2);
  REQUIRE(opened[1].files.size() == 1);
  CHECK(opened[1].files[0].kind == CheckFileKind::Ca);
  CHECK(watch.look().empty());
}

TEST_CASE("what cannot be opened is said with key and file, and said once") {
  const TempDir folder;
  const std::string missing = folder.file("missing");
  const std::string directory = folder.file("folder");
  const std::string fifo = folder.file("fifo");
  const std::string huge = folder.file("huge", std::string(2 << 20, 'x'));
  fs::create_directory(directory);
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  std::vector<ServiceConfig> services;
  for (const std::string& path : {missing, directory, fifo, huge}) {
    services.push_back(service_with_token(fs::path(path).filename(), path));
  }
  ServiceConfig& pair = services.emplace_back();
  pair.name = "pair";
  pair.health_check.tls.certificate_file = folder.file("good", "good\n");
  pair.health_check.tls.key_file = fifo;
  FileWatch watch(services);
  const auto opened = watch.open_all();
  CHECK(found(opened) ==
        Found{{0, "missing.health_check.bearer_token_file: " + missing + ": No such file or directory"},
              {1, "folder.health_check.bearer_token_file: " + directory + ": not a regular file"},
              {2, "fifo.health_check.bearer_token_file: " + fifo + ": not a regular file"},
              {3, "huge.health_check.bearer_token_file: " + huge + ": larger than 1 MiB"},
              {4, "pair.health_check.tls.key_file: " + fifo + ": not a regular file"}});
  for (const FileWatch::Opened& service : opened) CHECK(service.files.empty());
  CHECK(watch.look().empty());
  // For another proxy it is said again.
  CHECK(watch.open_all().size() == 5);
}

TEST_CASE("every kind of change is seen, trouble is said once, and the next good one is taken") {
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
  const std::string quiet = folder.file("quiet", "one\n");
  enum : std::uint32_t { kInPlace, kRenamed, kLinked, kLocked, kRecreated };
  FileWatch watch({service_with_token("in_place", in_place), service_with_token("renamed", renamed),
                   service_with_token("linked", linked), service_with_token("locked", locked),
                   service_with_token("recreated", recreated), service_with_token("quiet", quiet)});
  const auto look = [&] {
    const OpensFilesAsNobody nobody;
    return found(watch.look());
  };
  const std::string locked_problem =
      "locked.health_check.bearer_token_file: " + locked + ": Permission denied";
  const std::string gone_problem =
      "recreated.health_check.bearer_token_file: " + recreated + ": No such file or directory";
  watch.open_all();
  struct stat original {};
  REQUIRE(stat(recreated.c_str(), &original) == 0);
  CHECK(look().empty());

  // The same size, each time: it is not what tells them apart.
  overwrite(in_place, "two\n");
  write_file(renamed, "two\n");
  fs::create_symlink("v2", folder.file("..data.new"));
  fs::rename(folder.file("..data.new"), folder.file("..data"));
  fs::permissions(locked, fs::perms::none);
  fs::remove(recreated);
  CHECK(look() == Found{{kInPlace, "two\n"},
                        {kRenamed, "two\n"},
                        {kLinked, "two\n"},
                        {kLocked, locked_problem},
                        {kRecreated, gone_problem}});
  CHECK(look().empty());

  fs::permissions(locked, fs::perms{0644});
  overwrite(recreated, "one\n");
  const timespec times[] = {original.st_atim, original.st_mtim};
  REQUIRE(utimensat(AT_FDCWD, recreated.c_str(), times, 0) == 0);
  CHECK(look() == Found{{kLocked, "one\n"}, {kRecreated, "one\n"}});
  CHECK(look().empty());

  // Trouble that comes back is news.
  fs::permissions(locked, fs::perms::none);
  CHECK(look() == Found{{kLocked, locked_problem}});
  CHECK(look().empty());
}

TEST_CASE("a proxy that starts while a file cannot be opened gets the one that was good last") {
  const TempDir folder;
  const std::string path = folder.file("token", "one\n");
  FileWatch watch({service_with_token("api", path)});
  watch.open_all();
  fs::remove(path);
  const auto opened = watch.open_all();
  REQUIRE(opened.size() == 1);
  CHECK(opened[0].problem == "api.health_check.bearer_token_file: " + path + ": No such file or directory");
  REQUIRE(opened[0].files.size() == 1);
  CHECK(content_of(opened[0].files[0].file) == "one\n");
  CHECK(watch.look().empty());
  folder.file("token", "two\n");
  CHECK(found(watch.look()) == Found{{0, "two\n"}});
}

}  // namespace
}  // namespace vipward::test
