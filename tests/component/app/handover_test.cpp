// Two whole proxies and the link between them, the test being their guardian: what goes along besides
// sessions, and every way in which it can be cut short.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>

#include "lb/channel/endpoint.h"
#include "tests/component/app/app_under_test.h"
#include "tests/component/app/reserved_port.h"
#include "tests/support/fake_server.h"
#include "tests/support/http_client.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

struct Fixture {
  FakeServer backend{{}, http_script([](const std::string&) { return http_response(200); })};
  AppUnderTest first{AppConfig{.backends = {backend.address()}}};
  AppUnderTest second{AppUnderTest::Prepared{{.backends = {backend.address()}, .generation = 2}}};

  Fixture() {
    second.guardian().send(channel::Prepare{});
    REQUIRE(hears<channel::Prepared>(second));
  }
  template <class Message>
  static bool hears(AppUnderTest& app, std::size_t count = 1) {
    return wait_until([&] { return app.guardian().heard<Message>().size() >= count; }, kPatience);
  }
  void link() {
    channel::Pair pair = channel::create_pair();
    second.guardian().send(channel::TakeOver{.socket = std::move(pair.proxy)});
    first.guardian().send(channel::HandOver{.socket = std::move(pair.guardian)});
  }
};

std::string line_of(AppUnderTest& app, const std::string& name) {
  const std::string body = http_get({.address = app.admin_address()}, "/metrics").body;
  const std::size_t at = body.find("\n" + name);
  if (at == std::string::npos) return "no " + name;
  return body.substr(at + 1, body.find('\n', at + 1) - at - 1);
}

TEST_CASE("sessions, and all that was counted, go on at the successor; the predecessor leaves in order") {
  Fixture f;
  HttpClient client({.address = f.first.address()});
  for (int i = 0; i < 3; ++i) REQUIRE(client.get("/").is_ok());
  for (int i = 0; i < 4; ++i) REQUIRE(http_get({.address = f.first.address()}, "/").is_ok());
  // Those of the others have ended.
  const std::string one = "vipward_connections_active{service=\"api\"} 1";
  REQUIRE(wait_until([&] { return line_of(f.first, "vipward_connections_active") == one; }, kPatience));
  f.link();
  REQUIRE(Fixture::hears<channel::Ready>(f.second));
  REQUIRE(Fixture::hears<channel::Inherited>(f.second));
  CHECK(f.second.guardian().heard<channel::Inherited>()[0].sessions == 1);
  CHECK(f.first.wait_exit() == 0);
  CHECK(client.get("/").is_ok());
  CHECK(line_of(f.second, "vipward_connections_accepted_total") ==
        "vipward_connections_accepted_total{service=\"api\"} 5");
  CHECK(line_of(f.second, "vipward_backend_connections_total") ==
        "vipward_backend_connections_total{service=\"api\",backend=\"backend-0\"} 5");
  CHECK(line_of(f.second, "vipward_connections_active") == one);
}

TEST_CASE("a link that breaks is followed by another one") {
  Fixture f;
  HttpClient client({.address = f.first.address()});
  REQUIRE(client.get("/").is_ok());
  {
    channel::Pair broken = channel::create_pair();
    f.first.guardian().send(channel::HandOver{.socket = std::move(broken.guardian)});
    channel::Pair other = channel::create_pair();
    f.second.guardian().send(channel::TakeOver{.socket = std::move(other.proxy)});
  }
  REQUIRE(Fixture::hears<channel::HandedOver>(f.first));
  CHECK(f.first.guardian().heard<channel::HandedOver>()[0].left == 1);
  CHECK(client.get("/").is_ok());
  f.link();
  REQUIRE(Fixture::hears<channel::Inherited>(f.second, 2));
  CHECK(f.first.wait_exit() == 0);
  CHECK(client.get("/").is_ok());
}

TEST_CASE("a link that finds no descriptor: nobody is let in by the predecessor, and the next one is found") {
  Fixture f;
  HttpClient client({.address = f.first.address()});
  REQUIRE(client.get("/").is_ok());
  channel::Pair pair = channel::create_pair();
  rlimit limit{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  rlimit none = limit;
  none.rlim_cur = 0;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  f.first.guardian().send(channel::HandOver{.socket = std::move(pair.guardian)});
  const bool said = Fixture::hears<channel::HandedOver>(f.first);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  REQUIRE(said);
  CHECK(f.first.guardian().heard<channel::HandedOver>()[0].left == 1);
  HttpClient waiting({.address = f.first.address(), .limit = 300ms});
  CHECK(waiting.get("/").error == ClientError::Timeout);
  f.link();
  REQUIRE(Fixture::hears<channel::Inherited>(f.second));
  CHECK(f.second.guardian().heard<channel::Inherited>()[0].sessions == 1);
  CHECK(f.first.wait_exit() == 0);
  CHECK(client.get("/").is_ok());
}

TEST_CASE("a stop, whenever it comes, ends a proxy at once and in order") {
  Fixture f;
  HttpClient client({.address = f.first.address()});
  REQUIRE(client.get("/").is_ok());
  SUBCASE("of a successor that is prepared") {
    CHECK(f.second.stop() < 5s);
    CHECK(client.get("/").is_ok());
  }
  SUBCASE("of a successor whose predecessor says nothing") {
    channel::Pair pair = channel::create_pair();
    f.second.guardian().send(channel::TakeOver{.socket = std::move(pair.proxy)});
    REQUIRE(Fixture::hears<channel::Ready>(f.second));
    CHECK(f.second.stop() < 5s);
    CHECK(client.get("/").is_ok());
  }
  SUBCASE("of a predecessor whose successor does not read") {
    channel::Pair pair = channel::create_pair();
    f.first.guardian().send(channel::HandOver{.socket = std::move(pair.guardian)});
    REQUIRE(f.first.log().wait_for("handing over to the next generation"));
    CHECK(f.first.stop() < 5s);
    CHECK(client.get("/").error != ClientError::None);
  }
  SUBCASE("of both, while they hand over") {
    f.link();
    CHECK(f.first.stop() < 5s);
    CHECK(f.second.stop() < 5s);
    CHECK(client.get("/").error != ClientError::None);
  }
}

}  // namespace
}  // namespace vipward::test
