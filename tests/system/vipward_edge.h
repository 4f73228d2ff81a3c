// An edge host on which one `vipward run` does both.
#pragma once

#include <map>
#include <optional>

#include "tests/system/daemon.h"
#include "tests/system/edge_host.h"

namespace vipward::test {

class VipwardEdge : public EdgeHost {
 public:
  using EdgeHost::EdgeHost;

  void start() override;
  bool is_ready() override;
  bool release() override;
  std::vector<pid_t> keeper_pids() const override;
  std::vector<pid_t> proxy_pids() const override;
  std::string log() const override;
  std::optional<double> conflicts() const override;

  // After start().
  Daemon& daemon() { return *daemon_; }
  // What `vip:` holds besides, or instead of, what the settings say; for the next start().
  void set_vip_key(const std::string& key, const std::string& value) { vip_keys_[key] = value; }
  // The same for the service: {"listen", "vip:6443"}.
  void set_service_key(const std::string& key, const std::string& value) { service_keys_[key] = value; }
  std::string config() const;
  // To disk, for a reload.
  void write_config() const { write_config(config()); }
  void write_config(const std::string& text) const { folder_.file("vipward.yaml", text); }

 private:
  TempDir folder_;
  std::map<std::string, std::string> vip_keys_;
  std::map<std::string, std::string> service_keys_;
  std::optional<Daemon> daemon_;
};

// Of a host that was made as one.
VipwardEdge& as_vipward(EdgeHost& host);

}  // namespace vipward::test
