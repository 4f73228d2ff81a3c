// An edge host as most people run it today: HAProxy, started again 100 ms after its end as systemd would, and
// keepalived over VRRPv3 unicast, told of HAProxy's end by a track_file: the quickest way that it knows (a
// script is asked every second or so).
#pragma once

#include <optional>

#include "tests/support/temp_dir.h"
#include "tests/system/edge_host.h"

namespace vipward::test {

class KeepalivedEdge : public EdgeHost {
 public:
  using EdgeHost::EdgeHost;

  void start() override;
  bool is_ready() override;
  bool release() override { return false; }
  std::vector<pid_t> keeper_pids() const override;
  std::vector<pid_t> proxy_pids() const override;
  std::vector<pid_t> other_pids() const override;
  std::string log() const override;

 private:
  std::string haproxy_config() const;
  std::string keepalived_config() const;

  TempDir folder_;
  std::optional<Process> haproxy_;  // what starts it again and writes the track_file
  std::optional<Process> keepalived_;
};

}  // namespace vipward::test
