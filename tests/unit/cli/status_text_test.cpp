#include "lb/cli/status_text.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace vipward;
using Json = nlohmann::json;

namespace {

Json backend(const std::string& name, const std::string& state, const std::string& reason = "") {
  return {{"name", name},
          {"address", "10.0.0.1:6443"},
          {"state", state},
          {"since", "2026-11-22T09:12:31.123Z"},
          {"reason", reason},
          {"connections", 413},
          {"certificate_expires_at", "2027-11-22T09:12:31.000Z"},
          {"last_check",
           {{"ended_at", "2026-11-22T09:12:30.500Z"},
            {"result", "ready"},
            {"phase", "response"},
            {"detail", "/readyz: 200"},
            {"duration_seconds", 0.0042}}}};
}

Json service(const std::string& name, std::vector<Json> backends, bool usable = true) {
  return {{"name", name},        {"listen", {"10.0.0.100:6443"}}, {"usable", usable},    {"accepting", true},
          {"connections", 1240}, {"connections_limit", 15000},    {"backends", backends}};
}

Json status(std::vector<Json> services) {
  return {{"version", "0.1.0"},
          {"revision", "abc1234"},
          {"generation", 1},
          {"time", "2026-11-22T12:00:00.000Z"},
          {"started_at", "2026-11-20T08:12:31.000Z"},
          {"config_hash", "0123456789abcdef"},
          {"stopping", false},
          {"vip", nullptr},
          {"services", services}};
}

struct FirstLine {
  bool fine;
  std::string text;
};
FirstLine first_line(const Json& json) {
  const auto rendered = render_status_text(json.dump());
  REQUIRE(rendered);
  return {rendered->fine, rendered->text.substr(0, rendered->text.find('\n'))};
}

}  // namespace

TEST_CASE("the status for people begins with the answer") {
  Json dead = backend("master-22", "dead", "connect: refused");
  dead["connections"] = 0;
  dead["since"] = "2026-11-21T23:59:59.999Z";
  dead["certificate_expires_at"] = nullptr;
  dead["last_check"] = {
      {"result", "no_answer"}, {"phase", "connect"}, {"detail", "refused"}, {"duration_seconds", 0.0002}};
  Json fresh = backend("m3", "unknown");
  fresh["last_check"] = nullptr;
  fresh["certificate_expires_at"] = "2026-11-22T11:59:59.000Z";
  const auto rendered = render_status_text(
      status({service("kube-apiserver", {backend("master-1", "ready"), dead, fresh})}).dump());
  REQUIRE(rendered);
  CHECK_FALSE(rendered->fine);
  CHECK(
      rendered->text ==
      "degraded: kube-apiserver: master-22 dead since 2026-11-21 23:59:59Z (connect: refused), m3 unknown "
      "since "
      "09:12:31Z\n"
      "\n"
      "kube-apiserver on 10.0.0.100:6443: 1240 of at most 15000 connections\n"
      "  BACKEND    ADDRESS        STATE    SINCE                 CONNECTIONS  CERTIFICATE  LAST CHECK\n"
      "  master-1   10.0.0.1:6443  ready    09:12:31Z             413          364 days     ready (response, "
      "4 ms): "
      "/readyz: 200\n"
      "  master-22  10.0.0.1:6443  dead     2026-11-21 23:59:59Z  0            -            no_answer "
      "(connect, 0 "
      "ms): refused\n"
      "  m3         10.0.0.1:6443  unknown  09:12:31Z             413          expired      none yet\n"
      "\n"
      "vipward 0.1.0 (abc1234), generation 1, since 2026-11-20 08:12:31Z, configuration 0123456789abcdef\n");
}

TEST_CASE("fine means that every backend of every service is ready") {
  const FirstLine two = first_line(status({service("api", {backend("a", "ready"), backend("b", "ready")}),
                                           service("join", {backend("a", "ready")})}));
  CHECK(two.fine);
  CHECK(two.text == "fine: 3 of 3 backends ready, 2480 connections");
}

TEST_CASE("a backend that is not ready is degradation, whatever its state") {
  for (const char* state : {"unknown", "not_ready", "dead", "drained"}) {
    const FirstLine line =
        first_line(status({service("api", {backend("a", "ready"), backend("b", state, "why")}),
                           service("join", {backend("a", "ready")})}));
    CHECK_FALSE(line.fine);
    CHECK(line.text == "degraded: api: b " + std::string(state) + " since 09:12:31Z (why)");
  }
}

TEST_CASE("a backend that cannot be checked is not fine, whatever its state was") {
  Json blind = backend("master-1", "ready");
  blind["check_impossible"] = "Too many open files";
  const auto rendered =
      render_status_text(status({service("kube-apiserver", {blind, backend("b", "ready")})}).dump());
  REQUIRE(rendered);
  CHECK_FALSE(rendered->fine);
  CHECK(rendered->text.starts_with(
      "degraded: kube-apiserver: master-1 cannot be checked: Too many open files\n"));
  CHECK(rendered->text.find("  impossible: Too many open files\n") != std::string::npos);

  blind["state"] = "dead";
  CHECK(first_line(status({service("api", {blind, backend("b", "ready")})})).text ==
        "degraded: api: master-1 dead since 09:12:31Z, master-1 cannot be checked: Too many open files");
}

TEST_CASE("a service without a usable backend is down and comes first") {
  const FirstLine line = first_line(
      status({service("join", {backend("a", "ready"), backend("b", "dead", "connect: timeout")}),
              service("api", {backend("a", "dead"), backend("b", "dead"), backend("c", "unknown")}, false)}));
  CHECK_FALSE(line.fine);
  CHECK(line.text ==
        "DOWN: api: no usable backend (1 unknown, 2 dead); join: b dead since 09:12:31Z (connect: timeout)");
}

TEST_CASE("a daemon that stops or accepts nothing is not fine") {
  Json stopping = status({service("api", {backend("a", "ready")})});
  stopping["stopping"] = true;
  CHECK_FALSE(first_line(stopping).fine);
  CHECK(first_line(stopping).text == "DOWN: vipward is stopping");

  Json full = status({service("api", {backend("a", "ready")})});
  full["services"][0]["accepting"] = false;
  CHECK_FALSE(first_line(full).fine);
  CHECK(first_line(full).text == "degraded: api: accepts nothing new, no descriptors left");
}

TEST_CASE("control characters never reach the terminal") {
  const Json json =
      status({service("a\x1b[2Jpi\n", {backend("b\xC2\x9B", "dead", "\x07\xE2\x80\xAE\x7F grüße")})});
  const auto rendered = render_status_text(json.dump());
  REQUIRE(rendered);
  CHECK(rendered->text.starts_with("degraded: a?[2Jpi?: b? dead since 09:12:31Z (??? grüße)\n"));
  for (const char c : rendered->text) CHECK((c == '\n' || static_cast<unsigned char>(c) >= 0x20));
}

TEST_CASE("what is not a status is refused, what is missing in one is not") {
  for (const char* json : {"", "{", "[]", "null", "7", "{}", R"({"version":"1"})",
                           R"({"version":1,"services":[]})", R"({"version":"1","services":{}})"})
    CHECK_FALSE(render_status_text(json));
  CHECK_FALSE(render_status_text(std::string(100000, '[')));
  const auto sparse = render_status_text(R"({"version":"2","services":[7,{"backends":[null,{"since":3}]}]})");
  REQUIRE(sparse);
  CHECK_FALSE(sparse->fine);
}
