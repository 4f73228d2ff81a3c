#include "health/tls_session.h"

#include <openssl/ssl.h>

namespace vipward {

ssl_session_st* TlsSessionCache::offer(TimePoint now) {
  if (now - full_handshake_at_ >= kFullHandshakeEvery) drop();
  if (session_ && SSL_SESSION_is_resumable(session_.get()) == 0) drop();
  return session_.get();
}

void TlsSessionCache::Free::operator()(ssl_session_st* session) const {
  SSL_SESSION_free(session);
}

}  // namespace vipward
