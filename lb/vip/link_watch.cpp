#include "lb/vip/link_watch.h"

#include <cerrno>
#include <chrono>
#include <system_error>

namespace vipward {
namespace {

constexpr std::chrono::milliseconds kDumpRetry{100};

}  // namespace

LinkWatch::LinkWatch(NetlinkMonitor::Options options) : monitor_(options) {
  if (const int error = requests_.dump(events_); error != 0) {
    throw std::system_error(error, std::generic_category(), "cannot list the network interfaces");
  }
  table_.replace_all(events_);
}

bool LinkWatch::drain(TimePoint now) {
  events_.clear();
  const bool overrun = monitor_.drain(events_) == NetlinkMonitor::Drained::Overrun;
  if (overrun) ++overruns_;
  if (overrun || (next_dump_ && *next_dump_ <= now)) return dump(now);
  bool changed = false;
  for (const NetlinkEvent& event : events_) changed = table_.apply(event) || changed;
  return changed;
}

bool LinkWatch::dump(TimePoint now) {
  events_.clear();
  if (requests_.dump(events_) != 0) {
    next_dump_ = now + kDumpRetry;
    return false;
  }
  next_dump_.reset();
  table_.replace_all(events_);
  return true;
}

}  // namespace vipward
