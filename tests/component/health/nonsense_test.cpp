// Servers that are slow, silent, endless or talk nonsense: the check ends with the phase named.
#include <doctest/doctest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <thread>

#include "health/socket_bio.h"
#include "health/tls_client.h"
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

struct FreeTls {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <class T>
using TlsPtr = std::unique_ptr<T, FreeTls>;

// The server's end of a TLS connection over `fd`, for a test that needs more than a script.
TlsPtr<SSL> tls_server(const CertificateAndKey& pair, int fd) {
  const TlsPtr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()));
  const TlsPtr<BIO> certificate_pem(BIO_new_mem_buf(pair.certificate.data(), -1));
  const TlsPtr<BIO> key_pem(BIO_new_mem_buf(pair.key.data(), -1));
  const TlsPtr<X509> certificate(PEM_read_bio_X509(certificate_pem.get(), nullptr, nullptr, nullptr));
  const TlsPtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(key_pem.get(), nullptr, nullptr, nullptr));
  SSL_CTX_use_certificate(context.get(), certificate.get());
  SSL_CTX_use_PrivateKey(context.get(), key.get());
  TlsPtr<SSL> ssl(SSL_new(context.get()));
  SSL_set_fd(ssl.get(), fd);
  return ssl;
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

// RFC 8446 section 4.6.3: a server may send them at any time, and nothing limits how many.
TEST_CASE("every key update brings the reader back to its loop, where the deadline can fire") {
  const TestCa ca;
  std::array<int, 2> pair{};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()) == 0);
  const Fd ours(pair[0]);
  const Fd theirs(pair[1]);
  const TlsPtr<SSL> server = tls_server(ca.issue_for_loopback(), theirs.get());
  const TlsContext::Made made =
      TlsContext::make({}, {.ca_pem = ca.certificate_pem()}, TlsContext::Alpn::Http1);
  REQUIRE(made.error == "");
  TlsClient client(*made.context, std::make_shared<TlsSessionCache>(), *IpAddress::parse("127.0.0.1"),
                   ours.get(), TimePoint{});
  while (client.handshake() == IoStatus::WantRead) SSL_accept(server.get());
  REQUIRE(SSL_accept(server.get()) == 1);

  constexpr int kUpdates = 100;
  for (int i = 0; i < kUpdates; ++i) {
    REQUIRE(SSL_key_update(server.get(), SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
    REQUIRE(SSL_do_handshake(server.get()) == 1);
  }
  REQUIRE(SSL_write(server.get(), "x", 1) == 1);
  std::array<char, 8> buffer{};
  std::size_t used = 0;
  int returns = 0;
  IoStatus status = IoStatus::WantRead;
  for (; returns < 10 * kUpdates; ++returns) {
    status = client.read(buffer.data(), buffer.size(), used);
    if (status != IoStatus::WantRead) break;
  }
  CHECK(status == IoStatus::Done);
  CHECK(used == 1);
  CHECK(returns >= kUpdates);
}

TEST_CASE("endless hello requests end the check at connect_timeout") {
  // RFC 5246 section 7.4.1.1: who is shaking hands already ignores them. Small records, many in one segment:
  // more than the reader can take.
  std::string flood;
  for (int i = 0; i < 200'000; ++i) flood.append("\x16\x03\x03\0\x04\0\0\0\0", 9);
  const TestCa ca;
  const FakeServer server({}, [&](FakeConnection& connection) {
    // Ends, lest a check that does not end hang its test.
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{4};
    while (std::chrono::steady_clock::now() < end && connection.write(flood)) {
    }
  });
  check_no_answer(verdict_on(server, CheckProtocol::Https, {.ca_pem = ca.certificate_pem()}), CheckPhase::Tls,
                  "tls: no answer within 300ms");
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
