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

TEST_CASE("what the operator has drained is no problem, and says how many sessions are left") {
  Json drained = backend("b", "drained", "by the operator");
  drained["drained"] = {{"since", "2026-11-22T09:12:31.000Z"}, {"deadline", nullptr}, {"removed", false}};
  drained["connections"] = 1;
  const Json json = status({service("api", {backend("a", "ready"), drained})});
  const FirstLine line = first_line(json);
  CHECK(line.fine);
  CHECK(line.text == "fine: 1 of 1 backend ready, 1 drained with 1 connection, 1240 connections");
  CHECK(render_status_text(json.dump())->text.find("\n  b: by the operator, 1 session left\n") !=
        std::string::npos);
}

TEST_CASE("a drained backend that cannot be checked, as one under repair, is no problem") {
  Json drained = backend("b", "drained", "by the operator");
  drained["drained"] = {{"since", "2026-11-22T09:12:31.000Z"}, {"deadline", nullptr}, {"removed", false}};
  drained["check_impossible"] = "Too many open files";
  CHECK(first_line(status({service("api", {backend("a", "ready"), drained})})).fine);
  const FirstLine all = first_line(status({service("api", {drained, drained}, false)}));
  CHECK_FALSE(all.fine);
  CHECK(all.text == "DOWN: api: no usable backend (2 drained)");
}

TEST_CASE("a service that departs is not down, though nothing of it is usable") {
  Json removed = backend("a", "drained", "no longer configured");
  removed["drained"] = {{"since", nullptr}, {"deadline", nullptr}, {"removed", true}};
  Json departing = service("old", {removed}, false);
  departing["departing"] = true;
  const FirstLine line = first_line(status({service("api", {backend("a", "ready")}), departing}));
  CHECK(line.fine);
  CHECK(line.text == "fine: 1 of 1 backend ready, 1 drained with 413 connections, 2480 connections");
}

Json vip(const std::string& state, const std::string& reason = "down_timer") {
  return {{"state", state},
          {"priority", 100},
          {"addresses", {"10.0.0.100/24", "10.0.0.101/24"}},
          {"since", "2026-11-22T09:12:31.123Z"},
          {"reason", reason},
          {"interface", "eth0"},
          {"peer", "10.0.0.22"},
          {"peer_heard_at", "2026-11-22T09:12:30.900Z"},
          {"contested", false},
          {"warning", ""},
          {"virtual_router_id", 42}};
}

Json with_vip(const Json& vip) {
  Json json = status({service("api", {backend("a", "ready"), backend("b", "ready"), backend("c", "ready")})});
  json["vip"] = vip;
  return json;
}

std::string vip_lines(const Json& vip) {
  const std::string text = render_status_text(with_vip(vip).dump()).value().text;
  const auto begin = text.find("\n\n") + 2;
  return text.substr(begin, text.find("\n\n", begin) + 1 - begin);
}

TEST_CASE("with a VIP the first line begins with who holds it") {
  const FirstLine active = first_line(with_vip(vip("active")));
  CHECK(active.fine);
  CHECK(active.text == "fine: active since 09:12:31Z (down_timer), 3 of 3 backends ready, 1240 connections");
  const FirstLine backup = first_line(with_vip(vip("backup", "startup")));
  CHECK(backup.fine);
  CHECK(
      backup.text ==
      "fine: backup since 09:12:31Z (startup); active is 10.0.0.22; 3 of 3 backends ready, 1240 connections");
}

TEST_CASE("a VIP that nobody is known to hold, or two, is degradation") {
  Json alone = vip("backup", "startup");
  alone["peer"] = "";
  const FirstLine nobody = first_line(with_vip(alone));
  CHECK_FALSE(nobody.fine);
  CHECK(nobody.text == "degraded: vip: backup since 09:12:31Z (startup), nobody is heard that holds it");
  CHECK(first_line(with_vip(vip("init", ""))).text == "degraded: vip: init since 09:12:31Z");
  Json contested = vip("active");
  contested["contested"] = true;
  CHECK(first_line(with_vip(contested)).text ==
        "degraded: vip contested: active since 09:12:31Z (down_timer)");
  contested["warning"] = "02:00:00:00:00:07 answers for 10.0.0.100, too";
  const FirstLine two = first_line(with_vip(contested));
  CHECK_FALSE(two.fine);
  CHECK(two.text ==
        "degraded: vip contested: active since 09:12:31Z (down_timer); 02:00:00:00:00:07 answers for "
        "10.0.0.100, "
        "too");
}

TEST_CASE("a VIP in fault is DOWN, before everything else that is wrong") {
  Json json = with_vip(vip("fault", "eth0 has no carrier"));
  CHECK(first_line(json).text == "DOWN: vip in fault since 09:12:31Z: eth0 has no carrier");
  json["services"].push_back(service("join", {backend("a", "dead")}, false));
  CHECK(first_line(json).text ==
        "DOWN: vip in fault since 09:12:31Z: eth0 has no carrier; join: no usable backend (1 dead)");
  CHECK_FALSE(first_line(json).fine);
}

TEST_CASE("the VIP has its line, and the active one the note that it cannot see its standby") {
  CHECK(vip_lines(vip("active")) ==
        "vip 10.0.0.100/24, 10.0.0.101/24 on eth0: active since 09:12:31Z (down_timer), router id 42, "
        "priority 100, "
        "heard 10.0.0.22 at 09:12:30Z\n"
        "  note: the standby cannot be seen by VRRP; watch its `up` in Prometheus\n");
  Json backup = vip("backup", "startup");
  backup["peer"] = "";
  backup["warning"] = "10.0.0.22 has other addresses";
  CHECK(vip_lines(backup) ==
        "vip 10.0.0.100/24, 10.0.0.101/24 on eth0: backup since 09:12:31Z (startup), router id 42, priority "
        "100, no "
        "peer heard\n"
        "  warning: 10.0.0.22 has other addresses\n");
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
