// One good message of every kind, for the tests of the channel and the corpus of its fuzz target.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "lb/channel/codec.h"

namespace vipward::channel_test {

inline Fd some_fd() {
  return Fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

inline std::vector<Fd> some_fds(std::size_t count) {
  std::vector<Fd> fds(count);
  for (Fd& fd : fds) fd = some_fd();
  return fds;
}

inline std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

inline channel::VipStatus vip_status() {
  channel::VipStatus vip;
  vip.virtual_router_id = 100;
  vip.priority = 254;
  vip.state = channel::VipState::Active;
  vip.addresses = {"10.0.0.100/24", "10.0.0.101/24"};
  vip.interface = "eth0";
  vip.since_unix_ms = 1'795'338'751'123;
  vip.reason = "down_timer";
  vip.last_transition_unix_ms = 1'795'338'751'124;
  vip.peer = "10.0.0.22";
  vip.peer_heard_unix_ms = 1'795'338'750'000;
  vip.contested = true;
  vip.warning = "another host answers for 10.0.0.100";
  vip.transitions = {1, 2, 3, 4};
  vip.advertisements_sent = 5;
  vip.advertisements_received = 6;
  vip.rejected = {{"ttl", 7}, {"checksum", 8}};
  vip.restored = 9;
  vip.conflicts = 10;
  vip.garp_requests = 11;
  vip.garp_replies = 12;
  return vip;
}

inline HistogramSnapshot loop_lag() {
  Histogram histogram(kLagBounds);
  histogram.observe(std::chrono::milliseconds(3));
  histogram.observe(std::chrono::seconds(3));
  return histogram.snapshot();
}

// With what its version got after its beginnings.
inline channel::GuardianStatus status_with_later_fields() {
  channel::GuardianStatus status{2, loop_lag(), vip_status(), 1'795'338'751'123, false};
  status.vip->unsolicited_nas = 13;
  return status;
}

inline std::vector<channel::ToProxy> messages_to_proxy() {
  std::vector<channel::ToProxy> all;
  all.emplace_back(channel::Setup{7,
                                  "/etc/vipward/vipward.yaml",
                                  some_fd(),
                                  some_fd(),
                                  {{"api", "master-1", "10.0.0.11:6443", 1'234'567'890}}});
  all.emplace_back(channel::ServiceListeners{3, 4095, some_fds(channel::kListenersPerAddress)});
  all.emplace_back(channel::AdminListeners{some_fds(2)});
  all.emplace_back(channel::AdminListeners{});
  channel::CheckFiles files{255, {}};
  files.files.push_back({channel::CheckFileKind::Token, some_fd()});
  files.files.push_back({channel::CheckFileKind::Ca, some_fd()});
  all.emplace_back(std::move(files));
  all.emplace_back(channel::Serve{});
  all.emplace_back(channel::GuardianStatus{2, loop_lag(), vip_status(), 1'795'338'751'123, false});
  all.emplace_back(channel::GuardianStatus{});
  all.emplace_back(channel::VipReleased{});
  all.emplace_back(channel::VipReleased{{"10.0.0.101", "fd00::1"}});
  all.emplace_back(channel::HttpConnection{some_fd()});
  all.emplace_back(channel::Stop{"SIGTERM"});
  all.emplace_back(channel::Drains{{{255, 255, 1'795'338'751'123, 0}, {0, 1, 1, 1'795'338'751'124}}});
  all.emplace_back(channel::Drains{});
  all.emplace_back(channel::Prepare{});
  all.emplace_back(channel::TakeOver{some_fd()});
  all.emplace_back(channel::HandOver{some_fd()});
  return all;
}

inline std::vector<channel::ToGuardian> messages_to_guardian() {
  std::vector<channel::ToGuardian> all;
  all.emplace_back(channel::Ready{});
  all.emplace_back(channel::Failed{{"services[0]: grüße", ""}});
  all.emplace_back(channel::SessionsReset{4'000'000'000});
  all.emplace_back(channel::Backends{true});
  all.emplace_back(channel::Prepared{});
  all.emplace_back(channel::Inherited{5000, 82'000});
  all.emplace_back(channel::HandedOver{4990, 10});
  return all;
}

}  // namespace vipward::channel_test
