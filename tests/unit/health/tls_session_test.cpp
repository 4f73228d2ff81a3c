#include "health/tls_session.h"

#include <doctest/doctest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "lb/event/time.h"

namespace vipward {
namespace {

constexpr TimePoint kStart{std::chrono::hours{1}};

// Resumable: it has an identifier.
SSL_SESSION* new_session() {
  SSL_SESSION* session = SSL_SESSION_new();
  const unsigned char id[] = {1, 2, 3};
  SSL_SESSION_set1_id(session, id, sizeof id);
  return session;
}

}  // namespace

TEST_CASE("nothing is offered before the server has issued a session") {
  TlsSessionCache sessions;
  CHECK(sessions.offer(kStart) == nullptr);
}

TEST_CASE("the newest session is offered") {
  TlsSessionCache sessions;
  sessions.on_full_handshake(kStart);
  sessions.keep(new_session());
  SSL_SESSION* newest = new_session();
  sessions.keep(newest);
  CHECK(sessions.offer(kStart + std::chrono::seconds{1}) == newest);
}

TEST_CASE("a full handshake is made at least every five minutes, however often sessions were renewed") {
  TlsSessionCache sessions;
  sessions.on_full_handshake(kStart);
  sessions.keep(new_session());
  CHECK(sessions.offer(kStart + TlsSessionCache::kFullHandshakeEvery - std::chrono::milliseconds{1}) !=
        nullptr);
  sessions.keep(new_session());
  CHECK(sessions.offer(kStart + TlsSessionCache::kFullHandshakeEvery) == nullptr);
}

TEST_CASE("a session that cannot be resumed is not offered") {
  TlsSessionCache sessions;
  sessions.on_full_handshake(kStart);
  sessions.keep(SSL_SESSION_new());
  CHECK(sessions.offer(kStart) == nullptr);
}

TEST_CASE("a dropped session is not offered") {
  TlsSessionCache sessions;
  sessions.on_full_handshake(kStart);
  sessions.keep(new_session());
  sessions.drop();
  CHECK(sessions.offer(kStart) == nullptr);
}

}  // namespace vipward
