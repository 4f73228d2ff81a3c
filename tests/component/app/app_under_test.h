// A whole proxy as the guardian starts it, but on a thread of this process: one service, the admin pages, the
// control socket. The test is the guardian. Test's main thread.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "lb/channel/vitals.h"
#include "lb/net/address.h"
#include "tests/component/app/captured_log.h"
#include "tests/component/app/test_guardian.h"
#include "tests/support/temp_dir.h"

namespace vipward::test {

// What no machine is so slow as to need.
inline constexpr std::chrono::milliseconds kPatience{20'000};

// By default a service that finds a flapping backend's state out as fast as it can: tcp checks, one result
// decides.
struct AppConfig {
  std::vector<SocketAddress> backends;
  unsigned workers = 1;
  std::string health_check = "{protocol: tcp, interval: 10ms, fast_interval: 10ms, rise: 1, fall: 1}";
  std::string vip{};  // a mapping; empty: no such section
  std::string listen = "127.0.0.1";
  std::uint64_t generation = 1;
  std::vector<channel::DepartingBackend> departing{};
};

class AppUnderTest {
 public:
  // Everything that precedes Serve has been sent.
  struct Prepared {
    AppConfig config;
  };
  explicit AppUnderTest(Prepared prepared);
  // Returns when it serves.
  explicit AppUnderTest(AppConfig config);
  ~AppUnderTest();
  AppUnderTest(const AppUnderTest&) = delete;
  AppUnderTest& operator=(const AppUnderTest&) = delete;

  // The service's, with the address that it can be reached by.
  const SocketAddress& address() const { return address_; }
  const SocketAddress& admin_address() const { return admin_address_; }
  std::string control_path() const { return folder_.file("control.sock"); }
  const CapturedLog& log() const { return log_; }
  TestGuardian& guardian() { return *guardian_; }
  const channel::VitalsPage& vitals() const { return vitals_; }

  void send_setup();
  // Until it says so; false if it does not come to that.
  bool wait_ready() const;
  // How often the proxy has said that every service has a living backend, or not.
  bool wait_backends(bool living) const;

  // Stop on the channel; how long it took until everything was gone.
  std::chrono::milliseconds stop();
  // The exit code; the test has seen to it that there is one.
  int wait_exit();

 private:
  void open_listeners();

  AppConfig config_;
  TempDir folder_;
  CapturedLog log_;
  channel::VitalsPage vitals_;
  std::vector<Fd> listeners_;
  Fd admin_listener_;
  SocketAddress address_;
  SocketAddress admin_address_;
  std::string text_;
  std::unique_ptr<TestGuardian> guardian_;
  std::future<int> ended_;
};

// A file in memory.
Fd memory_file(std::string_view content);

}  // namespace vipward::test
