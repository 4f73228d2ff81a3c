#include "tests/system/holder_watch.h"

#include <algorithm>
#include <exception>
#include <optional>

#include "lb/net/socket.h"

namespace vipward::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPause{2};

bool has(const Host& host, const IpAddress& address) {
  const InsideNamespace here = host.enter();
  return is_local_address(address);
}

}  // namespace

HolderWatch::HolderWatch(const Host& one, const Host& other, const IpAddress& address)
    : one_(one), other_(other), address_(address), thread_([this] { run(); }) {}

HolderWatch::~HolderWatch() {
  stopping_ = true;
  thread_.join();
}

void HolderWatch::run() {
  try {
    watch();
  } catch (const std::exception&) {
    has_failed_ = true;
  }
}

void HolderWatch::watch() {
  std::optional<Clock::time_point> both_since;
  while (!stopping_) {
    // The first one again at the end: an address that moves between two looks is not had by both.
    const bool both = has(one_, address_) && has(other_, address_) && has(one_, address_);
    const auto now = Clock::now();
    if (!both) {
      both_since.reset();
    } else {
      both_since = both_since.value_or(now - kPause);
      const auto lasting = std::chrono::duration_cast<std::chrono::microseconds>(now - *both_since);
      longest_ = std::max(longest_.load(), lasting);
    }
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace vipward::test
