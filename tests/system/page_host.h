// An edge host to which the commands of README's page on keepalived are given as they stand there. Its
// systemd is played: three units, haproxy and keepalived as kubeadm's guide sets them up, and vipward; what
// is enabled is remembered. 10.0.0.N of the page is 10.77.0.N here, /etc/vipward a folder of the test. Test's
// main thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/support/network.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/system/daemon.h"

namespace vipward::test {

struct KubeadmSettings {
  std::vector<IpAddress> masters;
  IpAddress vip{};
  bool is_master = false;  // state MASTER and priority 101, else BACKUP and 100
};

class PageHost {
 public:
  // `ca_file`: what the page has copied to /etc/vipward/ca.crt.
  PageHost(const Host& host, const KubeadmSettings& settings, const std::string& ca_file);

  // The file that the page shows becomes /etc/vipward/vipward.yaml; what runs does not read it again.
  void set_configuration(const std::string& page_yaml);
  // One line of the page; throws if it fails. Behind `vipward status` a comment is what has to appear within
  // ten seconds, "..." standing for anything.
  void run(const std::string& line);

  const Host& host() const { return host_; }
  bool runs(const std::string& unit) const {
    return unit == "vipward" ? vipward_.has_value() : units_.contains(unit);
  }
  // What a boot would start: "haproxy keepalived".
  std::string enabled() const;
  // Its vipward or its keepalived has entered one of VRRP's states; keepalived's last check of the apiserver
  // has succeeded, so that its priority is what its file says.
  bool is_in_vrrp();
  // Throws if it does not run.
  Daemon& vipward();
  std::string log() const;

 private:
  void run_one(const std::string& command, const std::string& expected);
  void systemctl(const std::vector<std::string>& words);
  void start(const std::string& unit);
  void stop(const std::string& unit);
  void expect_status(const std::string& expected);
  std::string here(std::string page_text) const;
  // A file of tests/system/kubeadm with its placeholders filled in.
  std::string kubeadm_file(const std::string& name) const;

  Host host_;
  TempDir folder_;
  std::map<std::string, std::string> placeholders_;
  std::set<std::string> enabled_;
  std::map<std::string, Process> units_;
  std::optional<Daemon> vipward_;
  std::string past_logs_;
  unsigned starts_ = 0;
};

}  // namespace vipward::test
