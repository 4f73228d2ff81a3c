// Servers that are slow, silent, endless or talk nonsense: the check ends with the phase named.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <thread>

#include "health/socket_bio.h"
#include "tests/component/health/bench.h"
#include "tests/support/fake_server.h"

namespace vipward::test {
namespace {

// One check of a server that does `script`, with short limits.
struct Verdict {
  CheckResult result = CheckResult::Ready;
  CheckPhase phase = CheckPhase::Connect;
  std::string detail;
};

Verdict verdict_on(const FakeServer& server, CheckProtocol protocol, const CheckMaterial& material = {}) {
  ServiceConfig service = Bench::service(server.address(), protocol);
  service.health_check.connect_timeout = Millis{300};
  service.health_check.response_timeout = Millis{300};
  Bench bench;
  bench.start(service, material);
  CHECK(bench.run_until_checked());
  const LastCheck last = bench.last();
  return {.result = last.result, .phase = last.phase, .detail = last.detail};
}

void check_no_answer(const Verdict& verdict, CheckPhase phase, const std::string& detail) {
  CHECK(verdict.result == CheckResult::NoAnswer);
  CHECK(verdict.phase == phase);
  CHECK(verdict.detail == detail);
}

FakeServer::Script after_request(const std::string& begin, const std::string& endless) {
  return [begin, endless](FakeConnection& connection) {
    connection.read_request();
    bool going = connection.write(begin);
    while (going && !endless.empty()) going = connection.write(endless);
    connection.wait_for_close();
  };
}

}  // namespace

TEST_CASE("a server that accepts and says nothing fails in phase response") {
  const FakeServer server({}, silent_script());
  check_no_answer(verdict_on(server, CheckProtocol::Http), CheckPhase::Response,
                  "response: GET /healthz: no answer within 300ms");
}

TEST_CASE("a listener that nobody accepts from fails in phase tls: the kernel connects, no process answers") {
  const TestCa ca;
  const FakeServer server({.accepts = false}, nullptr);
  check_no_answer(verdict_on(server, CheckProtocol::Https, {.ca_pem = ca.certificate_pem()}), CheckPhase::Tls,
                  "tls: no answer within 300ms");
}

TEST_CASE("a server that completes TLS and says nothing fails in phase response") {
  const TestCa ca;
  const FakeServer server({.tls = FakeServer::Tls{.certificate = ca.issue_for_loopback()}}, silent_script());
  check_no_answer(verdict_on(server, CheckProtocol::Https, {.ca_pem = ca.certificate_pem()}),
                  CheckPhase::Response, "response: GET /healthz: no answer within 300ms");
}

TEST_CASE("endless headers end the check") {
  const FakeServer server({}, after_request("HTTP/1.1 200 OK\r\n", std::string(1000, 'x') + ": y\r\n"));
  check_no_answer(verdict_on(server, CheckProtocol::Http), CheckPhase::Response,
                  "response: GET /healthz: response headers too large: more than 16 KiB");
}

TEST_CASE("an endless body ends the check") {
  const FakeServer server({}, after_request("HTTP/1.1 200 OK\r\n\r\n", std::string(10'000, 'x')));
  check_no_answer(verdict_on(server, CheckProtocol::Http), CheckPhase::Response,
                  "response: GET /healthz: response too large: more than 64 KiB");
}

TEST_CASE("one byte at a time for ever ends the check at response_timeout") {
  const FakeServer server({}, [](FakeConnection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\nX: ");
    // A pace, not a guess: far below the limit of headers when the timeout comes.
    while (connection.write("x")) std::this_thread::sleep_for(std::chrono::milliseconds{5});
  });
  check_no_answer(verdict_on(server, CheckProtocol::Http), CheckPhase::Response,
                  "response: GET /healthz: no answer within 300ms");
}

TEST_CASE("garbage instead of HTTP ends the check") {
  const FakeServer server({}, after_request("SSH-2.0-OpenSSH_9.2p1\r\n", ""));
  check_no_answer(verdict_on(server, CheckProtocol::Http), CheckPhase::Response,
                  "response: GET /healthz: not HTTP: it begins with \"SSH-2.0-OpenSSH_9.2p1\"");
}

TEST_CASE("a TLS server asked in plain HTTP is named") {
  const TestCa ca;
  const FakeServer server({.tls = FakeServer::Tls{.certificate = ca.issue_for_loopback()}}, silent_script());
  const Verdict verdict = verdict_on(server, CheckProtocol::Http);
  CHECK(verdict.result == CheckResult::NoAnswer);
  CHECK(verdict.phase == CheckPhase::Response);
}

TEST_CASE("garbage instead of TLS is no answer in phase tls") {
  const TestCa ca;
  const FakeServer server({}, [](FakeConnection& connection) {
    connection.write("HTTP/1.1 400 Bad Request\r\n\r\n");
    connection.wait_for_close();
  });
  check_no_answer(verdict_on(server, CheckProtocol::Https, {.ca_pem = ca.certificate_pem()}), CheckPhase::Tls,
                  "tls: not TLS: wrong version number");
}

TEST_CASE("a server that closes before it answers fails in the phase it closed in") {
  const TestCa ca;
  const FakeServer plain({}, [](FakeConnection& connection) { connection.read_some(); });
  check_no_answer(verdict_on(plain, CheckProtocol::Tls, {.ca_pem = ca.certificate_pem()}), CheckPhase::Tls,
                  "tls: connection closed in the handshake");
  const FakeServer http({}, [](FakeConnection& connection) { connection.read_request(); });
  check_no_answer(verdict_on(http, CheckProtocol::Http), CheckPhase::Response,
                  "response: GET /healthz: connection closed before the response");
}

TEST_CASE("a server that resets fails in the phase it reset in") {
  const FakeServer server({}, [](FakeConnection& connection) {
    connection.read_request();
    connection.reset_at_end();
  });
  check_no_answer(verdict_on(server, CheckProtocol::Http), CheckPhase::Response,
                  "response: GET /healthz: Connection reset by peer");
}

TEST_CASE("writing to a peer that has gone raises no signal: the next read tells") {
  std::array<int, 2> pair{};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) == 0);
  const Fd ours(pair[0]);
  Fd theirs(pair[1]);
  theirs.reset();
  CHECK(send_to_peer(ours.get(), "hello", 5) == 5);
  std::array<char, 8> buffer{};
  CHECK(recv(ours.get(), buffer.data(), buffer.size(), 0) == 0);
}

}  // namespace vipward::test
