#include "perf/contenders/contender.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <stdexcept>

#include "lb/net/socket.h"
#include "tests/support/free_port.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace vipward::perf {
namespace {

using namespace std::chrono_literals;

void require(bool good, const std::string& what) {
  if (!good) throw std::runtime_error(what);
}

// What all have: a folder, a port, a process that stays.
class Started : public Contender {
 public:
  const SocketAddress& address() const override { return address_; }
  pid_t pid() const override { return process_->pid(); }
  std::string log() const override { return process_->output(); }

 protected:
  void start(std::vector<std::string> argv) {
    process_ = std::make_unique<test::Process>(std::move(argv));
    const bool serves = test::wait_until([this] { return is_served(address_); }, 10s);
    require(serves, std::string(name()) + " does not serve:\n" + process_->output_tail());
  }
  // Until another worker than before is there.
  void wait_for_worker(const std::vector<pid_t>& before) {
    const auto is_there = [&] {
      return std::ranges::any_of(test::children_of(pid()), [&](pid_t child) {
        return std::ranges::find(before, child) == before.end();
      });
    };
    const bool has_come = test::wait_until(is_there, 10s);
    require(has_come, std::string(name()) + ": no new worker:\n" + process_->output_tail());
  }

  test::TempDir folder_;
  SocketAddress address_ = test::free_port();
  std::unique_ptr<test::Process> process_;
};

class Vipward : public Started {
 public:
  Vipward(const std::vector<SocketAddress>& backends, const ContenderSettings& settings)
      : source_(settings.binary.empty() ? VIPWARD_BINARY : settings.binary) {
    put_binary();
    std::string text = "services:\n  - name: api\n    listen: \"" + address_.to_string() +
                       "\"\n    access_log: false\n    health_check: {protocol: tcp}\n    backends:\n";
    for (const SocketAddress& backend : backends) text += "      - \"" + backend.to_string() + "\"\n";
    text += "admin: {listen: \"" + test::free_port().to_string() + "\"}\ncontrol_socket: {path: \"" +
            folder_.file("control.sock") + "\"}\nuser: nobody\nworkers: " + std::to_string(settings.workers) +
            "\n";
    test::write_file(folder_.file("vipward.yaml"), text);
    start({binary(), "run", "--config", folder_.file("vipward.yaml")});
  }
  const char* name() const override { return "vipward"; }
  void reload() override { command("reload"); }
  bool upgrade() override {
    put_binary();
    command("upgrade");
    return true;
  }

 private:
  std::string binary() const { return folder_.file("vipward"); }
  // Another file under the same name, as a package manager does it.
  void put_binary() const {
    std::filesystem::copy_file(source_, binary() + ".new");
    std::filesystem::rename(binary() + ".new", binary());
  }
  void command(const std::string& what) {
    const test::CommandResult result =
        test::run_command({binary(), what, "--control-socket", folder_.file("control.sock")});
    require(result.exit_code == 0, what + ": " + result.standard_error + process_->output_tail());
  }

  std::string source_;
};

class Haproxy : public Started {
 public:
  Haproxy(const std::vector<SocketAddress>& backends, const ContenderSettings& settings) {
    std::string text = "global\n  nbthread " + std::to_string(settings.workers) +
                       "\n  maxconn 9000\n  maxpipes 256\n  stats socket " + folder_.file("stats.sock") +
                       " level admin expose-fd listeners\ndefaults\n  mode tcp\n  timeout connect 5s\n"
                       "  timeout client 1h\n  timeout server 1h\n  timeout tunnel 1h\n" +
                       std::string(settings.splices ? "  option splice-auto\n" : "") +
                       "frontend api\n  bind " + address_.to_string() +
                       " backlog 4096\n  default_backend masters\nbackend masters\n"
                       "  balance leastconn\n";
    int number = 0;
    for (const SocketAddress& backend : backends)
      text += "  server master-" + std::to_string(++number) + " " + backend.to_string() + " check inter 1s\n";
    test::write_file(folder_.file("haproxy.cfg"), text);
    start({"haproxy", "-W", "-db", "-f", folder_.file("haproxy.cfg")});
  }
  const char* name() const override { return "haproxy"; }
  void reload() override {
    const auto before = test::children_of(pid());
    process_->signal(SIGUSR2);
    wait_for_worker(before);
  }
};

class Nginx : public Started {
 public:
  Nginx(const std::vector<SocketAddress>& backends, const ContenderSettings& settings) {
    std::string text =
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\nuser root;\nworker_processes " +
        std::to_string(settings.workers) +
        ";\n"
        "worker_rlimit_nofile 20000;\ndaemon off;\npid " +
        folder_.file("nginx.pid") +
        ";\nerror_log stderr warn;\nevents { worker_connections 19500; }\n"
        "stream {\n  upstream masters {\n    least_conn;\n";
    for (const SocketAddress& backend : backends) text += "    server " + backend.to_string() + ";\n";
    text += "  }\n  server {\n    listen " + address_.to_string() +
            " backlog=4096;\n    proxy_pass masters;\n    proxy_timeout 1h;\n  }\n}\n";
    test::write_file(folder_.file("nginx.conf"), text);
    start({"nginx", "-e", "stderr", "-p", folder_.path(), "-c", folder_.file("nginx.conf")});
  }
  const char* name() const override { return "nginx"; }
  void reload() override {
    const auto before = test::children_of(pid());
    process_->signal(SIGHUP);
    wait_for_worker(before);
  }
};

class Floor : public Started {
 public:
  explicit Floor(const std::vector<SocketAddress>& backends) {
    std::vector<std::string> argv{VIPWARD_FLOOR, std::to_string(address_.port())};
    for (const SocketAddress& backend : backends) argv.push_back(std::to_string(backend.port()));
    start(std::move(argv));
  }
  const char* name() const override { return "floor"; }
  void reload() override { throw std::logic_error("the floor is never reloaded"); }
};

}  // namespace

bool is_served(const SocketAddress& address) {
  const Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage storage{};
  const socklen_t size = address.to_sockaddr(storage);
  return connect(client.get(), reinterpret_cast<const sockaddr*>(&storage), size) == 0;
}

std::unique_ptr<Contender> make_contender(const std::string& name, const std::vector<SocketAddress>& backends,
                                          const ContenderSettings& settings) {
  if (name == "vipward") return std::make_unique<Vipward>(backends, settings);
  if (name == "haproxy") return std::make_unique<Haproxy>(backends, settings);
  if (name == "nginx") return std::make_unique<Nginx>(backends, settings);
  if (name == "floor") return std::make_unique<Floor>(backends);
  throw std::invalid_argument("no contender is called " + name);
}

}  // namespace vipward::perf
