// What systemd hears.
#include "lb/guardian/service_notify.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "tests/support/notify_socket.h"
#include "tests/support/temp_dir.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) { setenv(name, value.c_str(), 1); }
  ~Environment() { unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
};

TEST_CASE("systemd is told by datagrams, where it asks for them") {
  const TempDir folder;
  std::string path;
  SUBCASE("a path") {
    path = folder.file("notify");
  }
  SUBCASE("an abstract name") {
    path = "@vipward-test-" + std::to_string(getpid());
  }
  const NotifySocket systemd(path);
  const Environment name("NOTIFY_SOCKET", path);
  const ServiceNotify notify;
  CHECK(notify.watchdog_every() == std::nullopt);
  notify.send("READY=1");
  notify.send("STATUS=active\nWATCHDOG=1");
  CHECK(systemd.next() == "READY=1");
  CHECK(systemd.next() == "STATUS=active\nWATCHDOG=1");
  CHECK(systemd.next() == std::nullopt);
}

TEST_CASE("a watchdog is fed twice as often as it waits, if it watches us") {
  const TempDir folder;
  const NotifySocket systemd(folder.file("notify"));
  const Environment name("NOTIFY_SOCKET", folder.file("notify"));
  const Environment limit("WATCHDOG_USEC", "2000000");
  CHECK(ServiceNotify().watchdog_every() == std::optional<Duration>(1s));
  {
    const Environment us("WATCHDOG_PID", std::to_string(getpid()));
    CHECK(ServiceNotify().watchdog_every() == std::optional<Duration>(1s));
  }
  {
    const Environment other("WATCHDOG_PID", std::to_string(getppid()));
    CHECK(ServiceNotify().watchdog_every() == std::nullopt);
  }
  for (const char* nonsense : {"0", "-5", "2s", ""}) {
    CAPTURE(nonsense);
    const Environment wrong("WATCHDOG_USEC", nonsense);
    CHECK(ServiceNotify().watchdog_every() == std::nullopt);
  }
}

TEST_CASE("a systemd that does not read, or has gone, holds nobody up; without one nothing is said") {
  const TempDir folder;
  {
    std::optional<NotifySocket> systemd(folder.file("notify"));
    const Environment name("NOTIFY_SOCKET", folder.file("notify"));
    const ServiceNotify notify;
    // More than any queue of datagrams holds (net.unix.max_dgram_qlen).
    for (int i = 0; i < 10'000; ++i) notify.send("WATCHDOG=1");
    CHECK(systemd->next() == "WATCHDOG=1");
    systemd.reset();
    notify.send("STOPPING=1");
  }
  const Environment too_long("NOTIFY_SOCKET", "/" + std::string(200, 'x'));
  ServiceNotify().send("READY=1");
  ServiceNotify().send("READY=1");
}

}  // namespace
}  // namespace vipward::test
