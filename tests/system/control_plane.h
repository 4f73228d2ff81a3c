// A real control plane: three masters, each with etcd and kube-apiserver, one host for vipward ("lb1") and
// one for clients, as namespaces on one bridge. Made once per test executable, as it takes ten seconds to
// become ready; every test begins with heal(). Unless the settings say otherwise anonymous requests are off;
// an apiserver that is told to stop takes ten seconds for it. Test's main thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/http_client.h"
#include "tests/support/network.h"
#include "tests/support/temp_dir.h"
#include "tests/system/daemon.h"

namespace vipward::test {

class ControlPlane {
 public:
  static constexpr std::chrono::seconds kShutdownDelay{10};

  struct Settings {
    std::optional<SocketAddress> service;  // where the kubeconfig points; absent: port 6443 of lb1
    bool anonymous = false;                // kubeadm's clusters answer /healthz to everybody
  };
  explicit ControlPlane(const Settings& settings);
  ControlPlane(const ControlPlane&) = delete;
  ControlPlane& operator=(const ControlPlane&) = delete;
  // The one of this executable, with the settings' defaults; starts it at the first call.
  static ControlPlane& instance();

  // Everything runs, nothing is frozen, no packet is dropped, every apiserver is ready.
  void heal();

  const std::vector<std::string>& masters() const { return masters_; }
  Process& apiserver(const std::string& master) { return *apiservers_.at(master); }
  Process& etcd(const std::string& master) { return *etcds_.at(master); }
  void start_apiserver(const std::string& master);
  // /readyz, asked directly, says 200.
  bool is_ready(const std::string& master);
  bool wait_until_ready(const std::string& master, std::chrono::milliseconds limit);

  Host& load_balancer() { return load_balancer_; }
  Host& client_host() { return client_; }
  // Another one on the same bridge, made at its first mention.
  Host more_host(const std::string& name, unsigned last_octet) { return net_.host(name, last_octet); }
  SocketAddress api_address(const std::string& master) const;
  SocketAddress service_address() const { return service_; }

  const TempDir& folder() const { return folder_; }
  std::string pki_file(const std::string& name) const { return folder_.path() / "pki" / name; }
  // Three backends, checked with a client certificate; everything else has its default.
  ConfigText config() const;
  std::unique_ptr<Daemon> start_vipward(const ConfigText& config);
  // And waits until all three are ready.
  std::unique_ptr<Daemon> start_ready_vipward() { return start_ready_vipward(config()); }
  std::unique_ptr<Daemon> start_ready_vipward(const ConfigText& config);

  // `kubectl ARGUMENTS` on the client host, through vipward.
  CommandResult kubectl(std::vector<std::string> arguments,
                        std::chrono::milliseconds limit = std::chrono::seconds{20});
  Process spawn_kubectl(std::vector<std::string> arguments);
  // An administrator's client; connect it inside client_host().
  HttpClient client(std::chrono::milliseconds limit = std::chrono::seconds{10}) const;
  std::shared_ptr<const ClientTlsContext> tls() const { return tls_; }

 private:
  void start_etcd(const std::string& master);
  std::vector<std::string> kubectl_command(std::vector<std::string> arguments) const;

  Network net_;
  Host load_balancer_;
  Host client_;
  SocketAddress service_;
  bool anonymous_;
  std::vector<std::string> masters_{"master-1", "master-2", "master-3"};
  std::map<std::string, Host> hosts_;
  TempDir folder_;
  std::string binaries_;
  std::shared_ptr<const ClientTlsContext> tls_;
  std::map<std::string, std::optional<Process>> etcds_;
  std::map<std::string, std::optional<Process>> apiservers_;
};

}  // namespace vipward::test
