#include "tests/system/counted_events.h"

#include <stdexcept>

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

constexpr const char* kConfigMaps = "/api/v1/namespaces/default/configmaps";
constexpr auto kPause = 5ms;

std::string body_with(unsigned number) {
  return std::string(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")") +
         CountingConfigMap::kName + R"("},"data":{"n":")" + std::to_string(number) + R"("}})";
}

// Of an event; nullopt: it tells of something else.
std::optional<unsigned> number_in(const std::string& event) {
  const std::string before = R"("data":{"n":")";
  const std::size_t at = event.find(before);
  if (at == std::string::npos ||
      event.find("\"" + std::string(CountingConfigMap::kName) + "\"") == std::string::npos)
    return std::nullopt;
  return static_cast<unsigned>(std::stoul(event.substr(at + before.size())));
}

}  // namespace

CountingConfigMap::CountingConfigMap(ControlPlane& plane) : plane_(plane) {
  plane_.kubectl({"delete", "configmap", kName, "--ignore-not-found"});
  const CommandResult made = plane_.kubectl({"create", "configmap", kName, "--from-literal=n=0"});
  if (!made.succeeded()) throw std::runtime_error("no ConfigMap to count in: " + made.standard_error);
  thread_ = std::thread([this] { run(); });
}

CountingConfigMap::~CountingConfigMap() {
  stop();
  plane_.kubectl({"delete", "configmap", kName, "--ignore-not-found"});
}

std::string CountingConfigMap::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  return failure_;
}

void CountingConfigMap::run() {
  const InsideNamespace inside = plane_.client_host().enter();
  HttpClient client = plane_.client();
  const std::string path = std::string(kConfigMaps) + "/" + kName;
  while (!stopping_) {
    const unsigned next = count_ + 1;
    const HttpResponse response = client.send({.method = "PUT", .path = path, .body = body_with(next)});
    if (!response.is_ok()) {
      failure_ = std::to_string(next) + ": " + describe(response);
      return;
    }
    count_ = next;
    std::this_thread::sleep_for(kPause);
  }
}

CountingWatch::CountingWatch(ControlPlane& plane) : client_(plane.client()) {
  const InsideNamespace inside = plane.client_host().enter();
  const HttpResponse response = client_.open({.path = std::string(kConfigMaps) + "?watch=1"});
  if (!response.is_ok()) throw std::runtime_error("no watch: " + describe(response));
  thread_ = std::thread([this] { run(); });
}

CountingWatch::~CountingWatch() {
  stopping_ = true;
  thread_.join();
}

void CountingWatch::run() {
  while (!stopping_) {
    const HttpClient::Line line = client_.read_line(100ms);
    if (line.error == ClientError::Timeout) continue;
    const std::lock_guard lock(mutex_);
    if (line.is_end || line.error != ClientError::None) {
      end_ = line.is_end ? "ended by the apiserver" : "lost: " + client_.detail();
      return;
    }
    if (const auto number = number_in(line.text)) told_.push_back(*number);
  }
}

bool CountingWatch::has_told(unsigned number) const {
  const std::lock_guard lock(mutex_);
  return !told_.empty() && told_.back() >= number;
}

std::vector<unsigned> CountingWatch::told() const {
  const std::lock_guard lock(mutex_);
  return told_;
}

std::string CountingWatch::end() const {
  const std::lock_guard lock(mutex_);
  return end_;
}

std::string gap_in(const std::vector<unsigned>& told, unsigned last) {
  if (told.empty()) return "nothing was told";
  for (std::size_t i = 1; i < told.size(); ++i) {
    if (told[i] != told[i - 1] + 1) return std::to_string(told[i]) + " after " + std::to_string(told[i - 1]);
  }
  return told.back() == last ? "" : "it ends with " + std::to_string(told.back());
}

}  // namespace vipward::test
