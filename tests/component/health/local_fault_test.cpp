// Faults of our own host say nothing about a backend.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "health/check.h"
#include "tests/component/health/bench.h"
#include "tests/support/fake_server.h"

namespace vipward::test {
namespace {

// Takes every descriptor that the process may still open.
class DescriptorsGone {
 public:
  DescriptorsGone() {
    getrlimit(RLIMIT_NOFILE, &before_);
    rlimit low = before_;
    low.rlim_cur = static_cast<rlim_t>(open_descriptors() + 8);
    setrlimit(RLIMIT_NOFILE, &low);
    take_all();
  }
  // Connections that were still open give theirs back later: again and again.
  void take_all() {
    for (int fd = dup(0); fd >= 0; fd = dup(0)) taken_.emplace_back(fd);
  }
  ~DescriptorsGone() { setrlimit(RLIMIT_NOFILE, &before_); }
  DescriptorsGone(const DescriptorsGone&) = delete;
  DescriptorsGone& operator=(const DescriptorsGone&) = delete;

 private:
  rlimit before_{};
  std::vector<Fd> taken_;
};

}  // namespace

TEST_CASE("a check that finds no descriptor counts for nothing, is logged once, and goes on by itself") {
  FakeServer server({}, silent_script());
  ServiceConfig service = Bench::service(server.address(), CheckProtocol::Tcp);
  // Longer than a check keeps its connection after its end: else the next one takes the descriptor over.
  service.health_check.interval = Check::kLinger + Millis{100};
  Bench bench;
  bench.start(service);
  CHECK(bench.run_until_state(BackendState::Ready));
  std::uint64_t checks = 0;
  {
    DescriptorsGone gone;
    CHECK(bench.run_until([&] {
      gone.take_all();
      return bench.logged("health check impossible") > 0;
    }));
    checks = bench.checks();
    bench.run_until(
        [&] {
          gone.take_all();
          return false;
        },
        2 * service.health_check.interval + Millis{50});
    CHECK(bench.checks() == checks);
    CHECK(bench.health().state == BackendState::Ready);
    CHECK(bench.health().impossible_checks >= 2);
    CHECK(bench.health().impossible_reason == "Too many open files");
    CHECK(bench.logged("health check possible again") == 0);
  }
  CHECK(bench.run_until_checked(checks + 3));
  CHECK(bench.health().state == BackendState::Ready);
  CHECK(bench.logged("health check impossible") == 1);
  CHECK(bench.logged(" info  health check possible again service=api backend=master-1") == 1);
  CHECK(bench.health().impossible_reason == std::nullopt);
  CHECK(bench.changes().size() == 1);
}

TEST_CASE("without a CA nothing is checked, and the log says why, once") {
  FakeServer server({}, silent_script());
  Bench bench;
  bench.start(Bench::service(server.address()));
  CHECK(bench.run_until_logged("reason=\"tls: ca_file: holds no certificate in PEM form\""));
  bench.run_until([] { return false; }, std::chrono::milliseconds{200});
  CHECK(bench.logged("health check impossible") == 1);
  CHECK(bench.health().state == BackendState::Unknown);
  CHECK(bench.health().impossible_checks >= 2);
  CHECK(bench.health().impossible_reason == "tls: ca_file: holds no certificate in PEM form");
  CHECK(server.accepted() == 0);
}

}  // namespace vipward::test
