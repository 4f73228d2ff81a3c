// A worker that does nothing for a while.
#pragma once

#include <future>
#include <thread>

#include "tests/component/proxy/proxy_under_test.h"

namespace vipward::test {

// Holds worker 0 up for as long as it lives, so that what happens meanwhile comes to it as one event.
class HeldUp {
 public:
  explicit HeldUp(ProxyUnderTest& proxy)
      : thread_([this, &proxy] {
          proxy.run_inside([this] {
            entered_.set_value();
            released_.get_future().wait();
          });
        }) {
    entered_.get_future().wait();
  }
  ~HeldUp() { released_.set_value(); }

 private:
  std::promise<void> entered_;
  std::promise<void> released_;
  std::jthread thread_;
};

}  // namespace vipward::test
