#include "tests/system/page_host.h"

#include <signal.h>

#include <filesystem>
#include <regex>
#include <sstream>
#include <stdexcept>

#include "tests/support/notify_socket.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

constexpr auto kStartLimit = 10s;
constexpr auto kStopLimit = 10s;
constexpr auto kStatusLimit = 10s;
constexpr std::size_t kLogLines = 15;

std::string with_all(std::string text, const std::string& part, const std::string& by) {
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + by.size())) {
    text.replace(at, part.size(), by);
  }
  return text;
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

void stop_process(Process& process, const std::string& what) {
  process.signal(SIGTERM);
  if (!process.wait(kStopLimit)) throw std::runtime_error(what + " does not stop:\n" + process.output_tail());
}

// "backup since ...; active" as an extended regular expression.
std::regex pattern_of(const std::string& expected) {
  std::string pattern = std::regex_replace(expected, std::regex(R"([.()|*+?\[\]{}^$\\])"), R"(\$&)");
  return std::regex(with_all(pattern, R"(\.\.\.)", ".*"));
}

}  // namespace

PageHost::PageHost(const Host& host, const KubeadmSettings& settings, const std::string& ca_file)
    : host_(host) {
  placeholders_ = {{"APISERVER_DEST_PORT", "6443"},
                   {"APISERVER_SRC_PORT", "6443"},
                   {"STATE", settings.is_master ? "MASTER" : "BACKUP"},
                   {"PRIORITY", settings.is_master ? "101" : "100"},
                   {"INTERFACE", "eth0"},
                   {"ROUTER_ID", "51"},
                   {"AUTH_PASS", "42"},
                   {"APISERVER_VIP", settings.vip.to_string()}};
  for (std::size_t i = 0; i < settings.masters.size(); ++i) {
    placeholders_["HOST" + std::to_string(i + 1) + "_ADDRESS"] = settings.masters[i].to_string();
  }
  folder_.file("ca.crt", read_file(ca_file));
  folder_.file("haproxy.cfg", kubeadm_file("haproxy.cfg"));
  placeholders_["CHECK_APISERVER"] = folder_.file("check_apiserver.sh", kubeadm_file("check_apiserver.sh"));
  std::filesystem::permissions(placeholders_["CHECK_APISERVER"], std::filesystem::perms{0700});
  folder_.file("keepalived.conf", kubeadm_file("keepalived.conf"));
}

std::string PageHost::kubeadm_file(const std::string& name) const {
  std::string text = read_file("tests/system/kubeadm/" + name);
  for (const auto& [placeholder, value] : placeholders_)
    text = with_all(text, "{" + placeholder + "}", value);
  return text;
}

std::string PageHost::here(std::string page_text) const {
  return with_all(with_all(std::move(page_text), "10.0.0.", "10.77.0."), "/etc/vipward/", folder_.file(""));
}

void PageHost::set_configuration(const std::string& page_yaml) {
  std::string text = here(page_yaml);
  for (const auto& [key, value] : Daemon::top_keys(folder_)) text += key + ": " + value + "\n";
  folder_.file("vipward.yaml", text);
}

void PageHost::run(const std::string& line) {
  const auto comment = line.find(" # ");
  const std::string expected = comment == std::string::npos ? "" : here(line.substr(comment + 3));
  std::istringstream parts(with_all(with_all(line.substr(0, comment), "sudo ", ""), " && ", "\n"));
  for (std::string command; std::getline(parts, command);) run_one(command, expected);
}

void PageHost::run_one(const std::string& command, const std::string& expected) {
  const std::vector<std::string> words = words_of(command);
  if (words.front() == "systemctl") return systemctl(words);
  CommandResult result;
  if (words.front() != "vipward") {
    result = host_.run({"bash", "-euo", "pipefail", "-c", here(command)});
  } else if (words.at(1) == "check") {
    result = host_.run({Daemon::binary(), "check", "-c", folder_.file("vipward.yaml")});
  } else if (words.at(1) == "status") {
    return expect_status(expected);
  } else {
    result = vipward().command({words.begin() + 1, words.end()});
  }
  if (!result.succeeded()) {
    throw std::runtime_error(command + ":\n" + result.standard_output + result.standard_error);
  }
}

void PageHost::expect_status(const std::string& expected) {
  if (expected.empty()) throw std::runtime_error("what shall vipward status say on " + host_.name() + "?");
  CommandResult result;
  const std::regex pattern = pattern_of(expected);
  const bool appeared = wait_until(
      [&] {
        result = vipward().command({"status"});
        return result.succeeded() && std::regex_search(result.standard_output, pattern);
      },
      kStatusLimit, 100ms);
  if (appeared) return;
  throw std::runtime_error("vipward status on " + host_.name() + " does not say \"" + expected + "\" but\n" +
                           result.standard_output + result.standard_error + "\n" + log());
}

// systemctl VERB [--now] UNIT...
void PageHost::systemctl(const std::vector<std::string>& words) {
  const std::string& verb = words.at(1);
  const bool is_known =
      verb == "enable" || verb == "disable" || verb == "start" || verb == "stop" || verb == "restart";
  if (!is_known) throw std::runtime_error("systemctl " + verb + " is not played");
  const bool now = words.at(2) == "--now";
  for (std::size_t i = now ? 3 : 2; i < words.size(); ++i) {
    const std::string& unit = words[i];
    if (verb == "enable") enabled_.insert(unit);
    if (verb == "disable") enabled_.erase(unit);
    if (verb == "stop" || verb == "restart" || (verb == "disable" && now)) stop(unit);
    if (verb == "start" || verb == "restart" || (verb == "enable" && now)) start(unit);
  }
}

Daemon& PageHost::vipward() {
  if (!vipward_) throw std::runtime_error("vipward does not run on " + host_.name());
  return *vipward_;
}

void PageHost::start(const std::string& unit) {
  if (runs(unit)) throw std::runtime_error(unit + " runs already on " + host_.name());
  // All three are of Type=notify: `systemctl start` waits until they serve.
  NotifySocket systemd(folder_.file("notify." + std::to_string(++starts_)));
  const Process::Options options{.environment = {systemd.environment()}};
  bool has_started = false;
  if (unit == "haproxy") {
    units_.emplace(unit, host_.spawn({"haproxy", "-Ws", "-f", folder_.file("haproxy.cfg")}, options));
    has_started = systemd.wait_for("READY=1", kStartLimit);
  } else if (unit == "keepalived") {
    Process process = host_.spawn({"keepalived", "--dont-fork", "--log-console", "--log-detail", "--use-file",
                                   folder_.file("keepalived.conf"), "--pid", folder_.file("keepalived.pid"),
                                   "--vrrp_pid", folder_.file("vrrp.pid")});
    // It tells nobody but a systemd that is its parent.
    has_started = process.wait_for_line("Startup complete", kStartLimit);
    units_.emplace(unit, std::move(process));
  } else if (unit == "vipward") {
    vipward_.emplace(host_, folder_, read_file(folder_.file("vipward.yaml")), options);
    has_started = systemd.wait_for("READY=1", kStartLimit);
  } else {
    throw std::runtime_error("no unit " + unit);
  }
  if (!has_started) throw std::runtime_error(unit + " does not start: " + log());
}

void PageHost::stop(const std::string& unit) {
  if (!runs(unit)) throw std::runtime_error(unit + " does not run on " + host_.name());
  if (unit == "vipward") {
    stop_process(vipward_->process(), unit);
    past_logs_ += vipward_->process().output_tail(kLogLines);
    vipward_.reset();
    return;
  }
  Process& process = units_.at(unit);
  stop_process(process, unit);
  past_logs_ += process.output_tail(kLogLines);
  units_.erase(unit);
}

std::string PageHost::enabled() const {
  std::string text;
  for (const std::string& unit : enabled_) text += (text.empty() ? "" : " ") + unit;
  return text;
}

bool PageHost::is_in_vrrp() {
  if (vipward_) {
    const HttpResponse response = vipward_->admin("/metrics");
    if (!response.is_ok()) return false;
    const MetricsText metrics(response.body);
    return metrics.value("vipward_vip_state", {{"state", "active"}}) == 1 ||
           metrics.value("vipward_vip_state", {{"state", "backup"}}) == 1;
  }
  const auto keepalived = units_.find("keepalived");
  if (keepalived == units_.end()) return false;
  const std::string said = keepalived->second.output();
  const auto succeeded = said.rfind("VRRP_Script(check_apiserver) succeeded");
  const auto failed = said.rfind("VRRP_Script(check_apiserver) failed");
  return std::regex_search(said, std::regex("Entering (BACKUP|MASTER) STATE")) &&
         succeeded != std::string::npos && (failed == std::string::npos || failed < succeeded);
}

std::string PageHost::log() const {
  std::string text = "---- " + host_.name() + "\n" + past_logs_;
  // Of HAProxy, which logs every connection, the end will do.
  for (const auto& [unit, process] : units_) text += process.output_tail(kLogLines);
  return text + (vipward_ ? vipward_->log() : "");
}

}  // namespace vipward::test
