#include "tests/system/followed_watch.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

constexpr const char* kConfigMaps = "/api/v1/namespaces/default/configmaps";
constexpr auto kPause = 20ms;
constexpr auto kBeforeNextAttempt = 50ms;
// Of one attempt to write. To watch again: a SYN that got no answer is sent again after a second, and not
// waited for.
constexpr auto kWriteLimit = 1s;
constexpr auto kMakeLimit = 20s;
constexpr auto kWatchLimit = 300ms;

nlohmann::json body_with(const std::string& name, unsigned number, const std::string& version) {
  nlohmann::json body{{"apiVersion", "v1"},
                      {"kind", "ConfigMap"},
                      {"metadata", {{"name", name}}},
                      {"data", {{"n", std::to_string(number)}}}};
  if (!version.empty()) body["metadata"]["resourceVersion"] = version;
  return body;
}

unsigned number_in(const nlohmann::json& object) {
  return static_cast<unsigned>(std::stoul(object.at("data").at("n").get<std::string>()));
}

std::string version_in(const nlohmann::json& object) {
  return object.at("metadata").at("resourceVersion").get<std::string>();
}

}  // namespace

NumberedConfigMap::NumberedConfigMap(ControlPlane& plane, std::string name)
    : name_(std::move(name)), client_(plane.client(kWriteLimit)) {
  const HttpClient::Request post{
      .method = "POST", .path = kConfigMaps, .body = body_with(name_, 0, "").dump()};
  HttpResponse made;
  plane.client_host().call([&] {
    const auto deadline = std::chrono::steady_clock::now() + kMakeLimit;
    do {
      if (made.error != ClientError::None) std::this_thread::sleep_for(kBeforeNextAttempt);
      made = client_.send(post);
      // 409: only an earlier answer was lost.
      if (made.status == 409) made = client_.get(std::string(kConfigMaps) + "/" + name_);
    } while (made.status / 100 != 2 && std::chrono::steady_clock::now() < deadline);
  });
  if (!take(made, 0)) throw std::runtime_error("no ConfigMap to count in: " + describe(made));
}

bool NumberedConfigMap::take(const HttpResponse& response, unsigned wanted) {
  if (response.error != ClientError::None || response.status / 100 != 2) return false;
  const auto object = nlohmann::json::parse(response.body);
  version_ = version_in(object);
  if (number_in(object) != wanted) return false;
  count_ = wanted;
  return true;
}

bool NumberedConfigMap::write_next(std::chrono::milliseconds limit) {
  const unsigned next = count_ + 1;
  const std::string path = std::string(kConfigMaps) + "/" + name_;
  for (const auto deadline = std::chrono::steady_clock::now() + limit;;) {
    const HttpClient::Request put{
        .method = "PUT", .path = path, .body = body_with(name_, next, version_).dump()};
    if (take(client_.send(put), next)) return true;
    // Only its answer may have been lost.
    if (take(client_.get(path), next)) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kBeforeNextAttempt);
  }
}

SteadyWriter::SteadyWriter(ControlPlane& plane, NumberedConfigMap& map)
    : client_host_(plane.client_host()), map_(map), thread_([this] {
        try {
          const InsideNamespace inside = client_host_.enter();
          while (!stopping_ && !has_failed_) {
            has_failed_ = !map_.write_next(20s);
            std::this_thread::sleep_for(kPause);
          }
        } catch (const std::exception&) {
          has_failed_ = true;
        }
      }) {}

SteadyWriter::~SteadyWriter() {
  stop();
}

bool SteadyWriter::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  return !has_failed_;
}

FollowedWatch::FollowedWatch(ControlPlane& plane, std::string name)
    : client_host_(plane.client_host()), name_(std::move(name)), client_(plane.client(kWatchLimit)) {
  const InsideNamespace inside = client_host_.enter();
  HttpResponse now;
  const bool has_begun = wait_until(
      [&] {
        now = client_.get(std::string(kConfigMaps) + "/" + name_);
        if (!now.is_ok()) return false;
        version_ = version_in(nlohmann::json::parse(now.body));
        return open();
      },
      kMakeLimit, kBeforeNextAttempt);
  if (!has_begun) throw std::runtime_error("no watch: " + describe(now) + client_.detail() + failure());
  told_.push_back(number_in(nlohmann::json::parse(now.body)));
  thread_ = std::thread([this] { run(); });
}

FollowedWatch::~FollowedWatch() {
  stopping_ = true;
  thread_.join();
}

bool FollowedWatch::open() {
  const HttpResponse response =
      client_.open({.path = std::string(kConfigMaps) + "?watch=1&fieldSelector=metadata.name%3D" + name_ +
                            "&resourceVersion=" + version_});
  if (response.error != ClientError::None) return false;
  if (response.status == 200) return true;
  const std::lock_guard lock(mutex_);
  failure_ = describe(response);
  return false;
}

void FollowedWatch::run() {
  try {
    const InsideNamespace inside = client_host_.enter();
    while (!stopping_ && failure().empty()) read();
  } catch (const std::exception& error) {
    const std::lock_guard lock(mutex_);
    failure_ = error.what();
  }
}

void FollowedWatch::read() {
  const HttpClient::Line line = client_.read_line(100ms);
  if (line.error == ClientError::Timeout) return;
  if (!line.is_end && line.error == ClientError::None) return take(line.text);
  {
    const std::lock_guard lock(mutex_);
    losses_.push_back(
        {.at = Clock::now(), .how = line.is_end ? ClientError::Closed : line.error, .again = {}});
  }
  watch_again();
}

void FollowedWatch::watch_again() {
  client_.disconnect();
  while (!stopping_ && failure().empty()) {
    if (open()) {
      const std::lock_guard lock(mutex_);
      losses_.back().again = Clock::now();
      return;
    }
    std::this_thread::sleep_for(kBeforeNextAttempt);
  }
}

void FollowedWatch::take(const std::string& event) {
  const auto told = nlohmann::json::parse(event);
  const std::lock_guard lock(mutex_);
  if (told.at("type") != "MODIFIED") {
    failure_ = event;
    return;
  }
  version_ = version_in(told.at("object"));
  told_.push_back(number_in(told.at("object")));
}

bool FollowedWatch::has_told(unsigned number) const {
  const std::lock_guard lock(mutex_);
  return told_.back() >= number;
}

std::vector<unsigned> FollowedWatch::told() const {
  const std::lock_guard lock(mutex_);
  return told_;
}

std::vector<FollowedWatch::Loss> FollowedWatch::losses_since(Clock::time_point moment) const {
  const std::lock_guard lock(mutex_);
  std::vector<Loss> result = losses_;
  std::erase_if(result, [&](const Loss& loss) { return loss.at < moment; });
  return result;
}

std::string FollowedWatch::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

}  // namespace vipward::test
