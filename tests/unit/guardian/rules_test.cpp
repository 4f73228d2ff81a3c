// What the guardian makes of its own condition, and of lines on the control socket.
#include <doctest/doctest.h>

#include "lb/guardian/candidacy_rule.h"
#include "lb/guardian/control_server.h"
#include "lb/guardian/operator_hold.h"

namespace vipward {
namespace {

using namespace std::chrono_literals;
using Standing = Supervisor::Standing;

TEST_CASE("a host is a full candidate when its proxy serves and nothing is wrong") {
  const HostWish wish = wish_of({.proxy = Standing::Serving});
  CHECK(wish.candidacy == Candidacy::Full);
  CHECK(wish.why.empty());
}

TEST_CASE("each own fault has its rank and its words") {
  const auto check = [](const HostCondition& condition, Candidacy candidacy, const char* why) {
    const HostWish wish = wish_of(condition);
    CHECK(wish.candidacy == candidacy);
    CHECK(wish.why == why);
  };
  check({.proxy = Standing::NotServing}, Candidacy::None, "no proxy serves");
  check({.proxy = Standing::CrashLoop}, Candidacy::LastResort, "the proxy died 3 times within 60 s");
  check({.proxy = Standing::Serving, .lost_listeners = "10.0.0.100:6443"}, Candidacy::LastResort,
        "clients are refused on 10.0.0.100:6443");
  check({.proxy = Standing::Serving, .backends_missing = true}, Candidacy::LastResort,
        "a service has no living backend");
  check({.proxy = Standing::Serving, .released_by_operator = true}, Candidacy::IfNobodyHeard,
        "released by the operator");
}

TEST_CASE("the worst fault counts") {
  CHECK(wish_of({.proxy = Standing::NotServing, .lost_listeners = "x", .released_by_operator = true})
            .candidacy == Candidacy::None);
  CHECK(wish_of({.proxy = Standing::Serving, .backends_missing = true, .released_by_operator = true})
            .candidacy == Candidacy::LastResort);
}

TEST_CASE("an operator's hold ends with its time, or when it is ended") {
  const TimePoint now{1000s};
  OperatorHold hold;
  CHECK_FALSE(hold.is_active());
  hold.begin(now, 10s);
  CHECK(hold.is_active());
  CHECK(hold.ends_at() == now + 10s);
  CHECK_FALSE(hold.expire(now + 9s));
  CHECK(hold.expire(now + 10s));
  CHECK_FALSE(hold.is_active());
  CHECK_FALSE(hold.expire(now + 11s));
  hold.begin(now, std::nullopt);
  CHECK_FALSE(hold.expire(now + 24h));
  hold.end();
  CHECK_FALSE(hold.is_active());
}

TEST_CASE("lines of the control socket") {
  CHECK(std::holds_alternative<HttpRequestLine>(parse_control_request("http")));
  CHECK(std::holds_alternative<ResumeRequest>(parse_control_request("resume")));
  CHECK(std::get<ReleaseRequest>(parse_control_request("release")).limit == std::nullopt);
  CHECK(std::get<ReleaseRequest>(parse_control_request("release 1500")).limit == 1500ms);
  CHECK(std::get<SuccessionKind>(parse_control_request("reload")) == SuccessionKind::Reload);
  CHECK(std::get<SuccessionKind>(parse_control_request("upgrade")) == SuccessionKind::Upgrade);
}

TEST_CASE("lines of the control socket that name a backend") {
  const auto without = std::get<DrainRequest>(parse_control_request("drain 0 master-1"));
  CHECK(without.name == "master-1");
  CHECK(without.limit == std::nullopt);
  const auto with = std::get<DrainRequest>(parse_control_request("drain 90000 api/[fd00::1]:6443"));
  CHECK(with.name == "api/[fd00::1]:6443");
  CHECK(with.limit == 90s);
  CHECK(std::get<UndrainRequest>(parse_control_request("undrain api/master-1")).name == "api/master-1");
  for (const char* line : {"drain ", "drain x", "drain 5", "drain 5 ", "drain -5 a", "drain 5s a",
                           "drain 99999999999999999999 a", "drain 31536000001 a", "drain master-1 5"}) {
    CAPTURE(line);
    CHECK(std::get<BadRequest>(parse_control_request(line)).text ==
          "drain takes a whole number of milliseconds, 0 for no deadline, and a backend");
  }
}

TEST_CASE("undrain without a backend is told so") {
  CHECK(std::get<BadRequest>(parse_control_request("undrain ")).text == "undrain takes a backend");
}

TEST_CASE("other lines get an answer that says what is allowed") {
  for (const char* line :
       {"", "HTTP", "http ", "GET / HTTP/1.1\r", "resume now", "releas", "drain", "undrain"}) {
    CAPTURE(line);
    CHECK(std::get<BadRequest>(parse_control_request(line)).text ==
          "unknown command, allowed: http, release [MILLISECONDS], resume, reload, upgrade, drain "
          "MILLISECONDS BACKEND, undrain BACKEND");
  }
  for (const char* line : {"release ", "release 0", "release -5", "release 1s",
                           "release 99999999999999999999", "release 31536000001"}) {
    CAPTURE(line);
    CHECK(std::get<BadRequest>(parse_control_request(line)).text ==
          "release takes a whole number of milliseconds, 1 to 31536000000");
  }
}

}  // namespace
}  // namespace vipward
