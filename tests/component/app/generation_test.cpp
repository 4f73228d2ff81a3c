// One life of a proxy at its guardian's hand: what it answers, what ends it, and what it makes of nonsense.
#include "lb/app/generation.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <set>

#include "lb/net/socket.h"
#include "tests/component/app/app_under_test.h"
#include "tests/component/app/reserved_port.h"
#include "tests/support/fake_server.h"
#include "tests/support/http_client.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

FakeServer::Script answering() {
  return http_script([](const std::string&) { return http_response(200); });
}

std::vector<std::string> failures(AppUnderTest& app) {
  REQUIRE(wait_until([&] { return !app.guardian().heard<channel::Failed>().empty(); }, kPatience));
  return app.guardian().heard<channel::Failed>()[0].problems;
}

TEST_CASE("a proxy whose guardian is gone resets its clients and ends with 1") {
  FakeServer backend({}, answering());
  AppUnderTest app({.backends = {backend.address()}});
  HttpClient talking({.address = app.address()});
  REQUIRE(talking.get("/").is_ok());
  HttpClient silent({.address = app.address()});
  REQUIRE(silent.connect() == ClientError::None);
  app.guardian().go();
  CHECK(talking.wait_for_end(kPatience) == ClientError::Reset);
  CHECK(app.wait_exit() == 1);
  CHECK(silent.wait_for_end(kPatience) == ClientError::Reset);
  CHECK(app.log().wait_for("error no guardian, every client is reset reason=\"it is gone\""));
}

TEST_CASE("Stop ends it with 0 at any time") {
  SUBCASE("while it serves") {
    FakeServer backend({}, answering());
    AppUnderTest app({.backends = {backend.address()}});
    app.guardian().send(channel::Stop{.reason = "SIGINT"});
    CHECK(app.wait_exit() == 0);
    CHECK(app.log().wait_for("info  stopping, every client is reset signal=SIGINT connections=0"));
  }
  SUBCASE("before it serves") {
    AppUnderTest app(AppUnderTest::Prepared{{.backends = {ReservedPort().address()}}});
    app.guardian().send(channel::Stop{.reason = "SIGTERM"});
    CHECK(app.wait_exit() == 0);
    CHECK(app.guardian().heard<channel::Ready>().empty());
  }
}

TEST_CASE("the guardian hears when every service has a living backend, and when that is over") {
  const ReservedPort port;
  AppUnderTest app({.backends = {port.address()}});
  CHECK(app.wait_backends(false));
  {
    const Fd listener = port.listen();
    CHECK(app.wait_backends(true));
  }
  CHECK(app.wait_backends(false));
}

TEST_CASE("every loop gives signs of life with the thread it runs on") {
  AppUnderTest app({.backends = {ReservedPort().address()}, .workers = 3});
  const channel::VitalsReader reader(app.vitals());
  const auto alive = [&] {
    std::set<pid_t> threads;
    for (const channel::Stamp& stamp : reader.snapshot()) threads.insert(stamp.thread_id);
    return threads;
  };
  // The control loop, three workers, and the slots that nobody uses.
  CHECK(wait_until([&] { return alive().size() == 5; }, kPatience));
  const auto first = reader.snapshot();
  CHECK(wait_until(
      [&] {
        const auto now = reader.snapshot();
        for (std::size_t i = 0; i < 4; ++i) {
          if (now[i].at <= first[i].at) return false;
        }
        return true;
      },
      kPatience));
  for (std::size_t i = 4; i < channel::kVitalsSlots; ++i) CHECK(reader.snapshot()[i].thread_id == 0);
}

TEST_CASE("every worker serves its share of the listeners, whatever the number of workers") {
  FakeServer backend({}, answering());
  for (const unsigned workers : {1U, 3U, 8U}) {
    CAPTURE(workers);
    AppUnderTest app({.backends = {backend.address()}, .workers = workers});
    for (int i = 0; i < 64; ++i) REQUIRE(http_get({.address = app.address()}, "/").is_ok());
    CHECK(app.stop() < 5s);
  }
}

TEST_CASE("a connection of the control socket is answered, before it serves too") {
  AppUnderTest app(AppUnderTest::Prepared{{.backends = {ReservedPort().address()}, .generation = 7}});
  std::array<int, 2> ends{};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const Fd ours(ends[0]);
  app.guardian().send(channel::HttpConnection{.socket = Fd(ends[1])});
  const std::string_view request = "GET /api/v1/status HTTP/1.1\r\nConnection: close\r\n\r\n";
  REQUIRE(send(ours.get(), request.data(), request.size(), 0) == static_cast<ssize_t>(request.size()));
  std::string answer;
  std::array<char, 4096> chunk{};
  for (ssize_t n = 0; (n = recv(ours.get(), chunk.data(), chunk.size(), 0)) > 0;) {
    answer.append(chunk.data(), static_cast<std::size_t>(n));
  }
  CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(answer.find("\"generation\": 7") != std::string::npos);
}

channel::ServiceListeners listeners(std::uint32_t service) {
  channel::ServiceListeners message{.service = service, .address = 0, .sockets = {}};
  while (message.sockets.size() < channel::kListenersPerAddress) {
    message.sockets.push_back(listen_tcp_beside(*SocketAddress::parse("127.0.0.1:0")));
  }
  return message;
}

TEST_CASE("what comes out of turn or for nobody is said and ignored, and it serves on") {
  FakeServer backend({}, answering());
  AppUnderTest app({.backends = {backend.address()}});
  TestGuardian& guardian = app.guardian();
  app.send_setup();
  guardian.send(channel::Serve{});
  guardian.send(listeners(0));
  guardian.send(channel::AdminListeners{});
  guardian.send(channel::CheckFiles{.service = 1, .files = {}});
  guardian.send(channel::VipReleased{});
  guardian.send(channel::VipReleased{});
  CHECK(wait_until([&] { return guardian.heard<channel::SessionsReset>().size() == 2; }, kPatience));
  for (const char* message : {"Setup", "Serve", "ServiceListeners", "AdminListeners", "CheckFiles"}) {
    CAPTURE(message);
    CHECK(app.log().wait_for(std::string("error message of the guardian out of turn, ignored message=") +
                             message + "\n"));
  }
  CHECK(http_get({.address = app.address()}, "/").is_ok());
  CHECK(guardian.heard<channel::Ready>().size() == 1);
  CHECK(guardian.heard<channel::Failed>().empty());
}

// A generation with nothing but its channel.
struct Bare {
  Bare() {
    channel::Pair pair = channel::create_pair();
    guardian = std::move(pair.guardian);
    ended = std::async(std::launch::async,
                       [end = pair.proxy.release()] { return Generation(Fd(end), {}).run(); });
  }
  Fd guardian;
  std::future<int> ended;
};

TEST_CASE("a guardian that says nothing, or what is no message, ends it with 1") {
  Bare bare;
  SUBCASE("nothing") {}
  SUBCASE("no message") {
    REQUIRE(send(bare.guardian.get(), "nonsense", 8, 0) == 8);
  }
  bare.guardian.reset();
  CHECK(bare.ended.get() == 1);
}

TEST_CASE("every other message before Setup is ignored") {
  Bare bare;
  {
    TestGuardian guardian(std::move(bare.guardian), Fd());
    guardian.send(channel::Serve{});
    guardian.send(listeners(0));
    guardian.send(channel::AdminListeners{});
    guardian.send(channel::CheckFiles{});
    guardian.send(channel::GuardianStatus{});
    guardian.send(channel::VipReleased{});
    guardian.send(channel::Stop{.reason = "SIGTERM"});
    CHECK(bare.ended.get() == 0);
    CHECK(guardian.heard<channel::Failed>().empty());
  }
}

TEST_CASE("what it cannot start with is said, and ends it with 1") {
  Bare bare;
  channel::VitalsPage vitals = channel::VitalsPage::create();
  TestGuardian guardian(std::move(bare.guardian), Fd());
  channel::Setup setup{
      .generation = 1,
      .config_name = "/etc/vipward/vipward.yaml",
      .config_text = memory_file("services:\n  - listen: 127.0.0.1:1\n    backends: [127.0.0.1:2]\n"
                                 "    health_check: {protocol: tcp}\n"),
      .vitals = Fd(fcntl(vitals.fd(), F_DUPFD_CLOEXEC, 0))};
  std::string problem;
  SUBCASE("a configuration with a mistake") {
    setup.config_text = memory_file("services: 5\n");
    problem = "/etc/vipward/vipward.yaml:1:11: services: must be a list, not a single value";
  }
  SUBCASE("no page for its signs of life") {
    setup.vitals = memory_file("");
    problem = "the page for signs of life is not what it should be";
  }
  SUBCASE("a service without a listener") {
    problem = "service-1: no listener was passed to the proxy";
  }
  guardian.send(std::move(setup));
  guardian.send(channel::Serve{});
  CHECK(bare.ended.get() == 1);
  REQUIRE(wait_until([&] { return guardian.heard<channel::Failed>().size() == 1; }, kPatience));
  CHECK(guardian.heard<channel::Failed>()[0].problems == Texts{problem});
  CHECK(guardian.heard<channel::Ready>().empty());
}

AppConfig with_token(std::uint64_t generation = 1) {
  return {.backends = {ReservedPort().address()},
          .health_check = "{tls: {insecure_skip_verify: true}, bearer_token_file: /etc/token}",
          .generation = generation};
}

channel::CheckFiles token(std::string_view content) {
  channel::CheckFiles message;
  message.files.push_back({.kind = channel::CheckFileKind::Token, .file = memory_file(content)});
  return message;
}

TEST_CASE("files are taken before it serves, and new ones when they come") {
  AppUnderTest app(AppUnderTest::Prepared{with_token()});
  app.guardian().send(token("one\n"));
  app.guardian().send(channel::Serve{});
  REQUIRE(app.wait_ready());
  app.guardian().send(token("two\n"));
  CHECK(app.log().wait_for("info  check files read again service=api"));
  app.guardian().send(token(""));
  app.guardian().send(token(""));
  app.guardian().send(token("good\n"));
  CHECK(app.log().wait_for("check files read again", 2));
  CHECK(app.log().count("error check files changed but cannot be used, the old ones stay in use "
                        "problem=\"api.health_check.bearer_token_file: /etc/token: is empty\"") == 1);
}

TEST_CASE("the first generation does not start with files that are no good, a later one does") {
  const std::string problem = "api.health_check.bearer_token_file: /etc/token: is empty";
  SUBCASE("the first") {
    AppUnderTest app(AppUnderTest::Prepared{with_token()});
    app.guardian().send(token("\n"));
    app.guardian().send(channel::Serve{});
    CHECK(failures(app) == Texts{problem});
    CHECK(app.wait_exit() == 1);
  }
  SUBCASE("the second") {
    AppUnderTest app(AppUnderTest::Prepared{with_token(2)});
    app.guardian().send(token("\n"));
    app.guardian().send(channel::Serve{});
    CHECK(app.wait_ready());
    CHECK(app.log().wait_for("error check files cannot be used problem=\"" + problem + '"'));
    app.guardian().send(token("good\n"));
    CHECK(app.log().wait_for("info  check files read again service=api"));
  }
}

}  // namespace
}  // namespace vipward::test
