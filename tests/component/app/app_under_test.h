// A whole ProxyApp on a thread of its own, with real listeners: one service, the admin pages, the control
// socket. It ends as it does in production, by SIGTERM, so one at a time. Test's main thread.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <string>

#include "config/config.h"
#include "lb/app/proxy_app.h"
#include "tests/component/app/captured_log.h"
#include "tests/support/temp_dir.h"

namespace vipward::test {

// What no machine is so slow as to need.
inline constexpr std::chrono::milliseconds kPatience{20'000};

class AppUnderTest {
 public:
  // The workers share the service's address, a port on 127.0.0.1. Returns when it answers.
  AppUnderTest(ServiceConfig service, unsigned workers);
  ~AppUnderTest();
  AppUnderTest(const AppUnderTest&) = delete;
  AppUnderTest& operator=(const AppUnderTest&) = delete;

  const SocketAddress& address() const { return address_; }
  const SocketAddress& admin_address() const { return admin_address_; }
  std::string control_path() const { return folder_.file("control.sock"); }
  const CapturedLog& log() const { return log_; }

  // SIGTERM to this process; how long it took until ProxyApp was gone.
  std::chrono::milliseconds stop();

 private:
  AppListeners open_listeners(unsigned workers);

  TempDir folder_;
  CapturedLog log_;
  SocketAddress address_;
  SocketAddress admin_address_;
  std::future<void> ended_;
};

// A service that finds a flapping backend's state out as fast as it can: tcp checks, one result decides.
ServiceConfig quick_service(const std::vector<SocketAddress>& backends);

}  // namespace vipward::test
