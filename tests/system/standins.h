// One host with three stand-in apiservers on loopback (master-1 on 127.0.0.11:6443, and so on) and, once
// started, vipward in front of them on 127.0.0.1:6443. While it lives the calling thread is inside that host.
// Test's main thread.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/http_client.h"
#include "tests/support/network.h"
#include "tests/support/prober.h"
#include "tests/system/daemon.h"

namespace vipward::test {

class Standins {
 public:
  // `arguments` for each stand-in, besides address, name and certificate.
  explicit Standins(const std::vector<std::string>& arguments = {});

  // Certificates of deploy/kubernetes/pki for these addresses, made once per test executable.
  static std::string pki_file(const std::string& name);

  // Three backends, checks a few times faster than the defaults; tests change what they are about.
  ConfigText config() const;
  Daemon& start_vipward(const ConfigText& config, const Process::Options& options = {});
  Daemon& start_vipward() { return start_vipward(config()); }
  // The same, and waits until all three are ready.
  Daemon& start_ready_vipward(const ConfigText& config, const Process::Options& options = {});
  Daemon& start_ready_vipward() { return start_ready_vipward(config()); }
  Daemon& vipward() { return *vipward_; }
  void stop_vipward() { vipward_.reset(); }

  const std::vector<std::string>& names() const { return names_; }
  SocketAddress address_of(const std::string& backend) const;
  Process& backend(const std::string& name) { return *backends_.at(name); }
  void start_backend(const std::string& name);
  // "readyz=500": what the stand-in takes at /control.
  void control(const std::string& backend, const std::string& query);

  Host& host() { return host_; }
  const TempDir& folder() const { return folder_; }
  static SocketAddress service_address();
  std::shared_ptr<const ClientTlsContext> tls() const { return tls_; }
  // Clients of vipward: HTTPS, or plain bytes (a line is answered with the backend's name).
  HttpClient client(std::chrono::milliseconds limit = std::chrono::seconds{5}) const;
  HttpClient byte_client(std::chrono::milliseconds limit = std::chrono::seconds{5}) const;
  // A client with an open connection that this backend serves.
  std::unique_ptr<HttpClient> client_on(const std::string& backend) const;
  // Answers of `count` requests on new connections, by backend; what fails is counted under the error's name.
  std::map<std::string, unsigned> ask(unsigned count) const;
  // From connecting to the answer's first byte, or its failure.
  struct FirstByte {
    ClientError error = ClientError::None;
    std::chrono::milliseconds duration{0};
  };
  FirstByte send_first_byte() const;

 private:
  Network net_;
  Host host_;
  InsideNamespace inside_;
  TempDir folder_;
  std::vector<std::string> arguments_;
  std::vector<std::string> names_{"master-1", "master-2", "master-3"};
  std::map<std::string, std::optional<Process>> backends_;
  std::shared_ptr<const ClientTlsContext> tls_;
  std::optional<Daemon> vipward_;
};

}  // namespace vipward::test
