// What the guardian says of drains and of what departs, as a whole proxy takes it.
#include <doctest/doctest.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "tests/component/app/app_under_test.h"
#include "tests/support/fake_server.h"
#include "tests/support/http_client.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// An apiserver that says its name in a header.
FakeServer::Script named(const std::string& name) {
  return http_script([name](const std::string&) { return http_response(200, "Name: " + name + "\r\n"); });
}

std::int64_t unix_ms_now() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

struct Fixture {
  FakeServer first{{}, named("first")};
  FakeServer second{{}, named("second")};
  AppUnderTest app;

  explicit Fixture(std::vector<channel::DepartingBackend> departing = {})
      : app(AppUnderTest::Prepared{
            {.backends = {first.address(), second.address()}, .departing = std::move(departing)}}) {}
  void serve() {
    app.guardian().send(channel::Serve{});
    REQUIRE(app.wait_ready());
  }
  void drain(const std::vector<std::uint32_t>& backends, std::int64_t deadline_unix_ms = 0) {
    channel::Drains drains;
    for (const std::uint32_t backend : backends) {
      drains.backends.push_back(
          {.backend = backend, .since_unix_ms = unix_ms_now(), .deadline_unix_ms = deadline_unix_ms});
    }
    app.guardian().send(std::move(drains));
  }
  std::string page(const std::string& path) const {
    return http_get({.address = app.admin_address()}, path).body;
  }
  nlohmann::json backend(std::size_t index) const {
    return nlohmann::json::parse(page("/api/v1/status")).at("services").at(0).at("backends").at(index);
  }
  bool wait_for_state(std::size_t index, const std::string& state) const {
    return wait_until([&] { return backend(index).at("state") == state; }, kPatience);
  }
  std::string who_answers() const { return http_get({.address = app.address()}, "/").headers["name"]; }
};

TEST_CASE("what was drained before the proxy serves gets not even the first client") {
  Fixture f;
  f.drain({0});
  f.serve();
  for (int i = 0; i < 10; ++i) CHECK(f.who_answers() == "second");
  CHECK(f.backend(0).at("state") == "drained");
}

TEST_CASE("the checks of a drained backend go on, and its state is what they say once it is undrained") {
  Fixture f;
  f.serve();
  REQUIRE(f.wait_for_state(0, "ready"));
  REQUIRE(f.wait_for_state(1, "ready"));
  f.drain({0}, unix_ms_now() + 3'600'000);
  REQUIRE(f.wait_for_state(0, "drained"));
  CHECK(f.page("/readyz") == "ok\napi: ok: 1 of 1 backends ready (1 drained)\n");
  const auto checked = f.backend(0).at("last_check").at("ended_at");
  CHECK(wait_until([&] { return f.backend(0).at("last_check").at("ended_at") != checked; }, kPatience));
  CHECK(f.backend(0).at("last_check").at("result") == "ready");
  CHECK(f.backend(0).at("drained").at("deadline").is_string());
  CHECK(f.backend(1).at("drained").is_null());
  CHECK(f.page("/metrics")
            .find("vipward_backend_state{service=\"api\",backend=\"backend-0\",state=\"drained\"} 1\n") !=
        std::string::npos);
  f.drain({});
  CHECK(f.wait_for_state(0, "ready"));
}

TEST_CASE("with every backend drained no service has a living one, and clients are reset") {
  Fixture f;
  f.serve();
  REQUIRE(f.app.wait_backends(true));
  f.drain({0, 1});
  CHECK(f.app.wait_backends(false));
  CHECK(http_get({.address = f.app.address()}, "/").error == ClientError::Reset);
  CHECK(f.page("/readyz").starts_with("not ready: no living backend for api\n"));
  f.drain({1});
  CHECK(f.app.wait_backends(true));
  CHECK(f.who_answers() == "first");
}

TEST_CASE("what departs gets nobody, and shows nowhere while it has no sessions") {
  const FakeServer old({}, named("old"));
  const std::int64_t far = std::numeric_limits<std::int64_t>::max() / 2;
  Fixture f(
      {{"api", "backend-9", old.address().to_string(), far}, {"gone", "a", old.address().to_string(), far}});
  f.serve();
  REQUIRE(f.wait_for_state(0, "ready"));
  REQUIRE(f.wait_for_state(1, "ready"));
  for (int i = 0; i < 20; ++i) CHECK(f.who_answers() != "old");
  for (const char* path : {"/metrics", "/api/v1/status", "/readyz"}) {
    CAPTURE(path);
    CHECK(f.page(path).find("backend-9") == std::string::npos);
    CHECK(f.page(path).find("gone") == std::string::npos);
  }
  CHECK(f.page("/readyz") == "ok\napi: ok: 2 of 2 backends ready\n");
}

}  // namespace
}  // namespace vipward::test
