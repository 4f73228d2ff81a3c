// The TLS session of one backend that the next check resumes. Owners: a Target and its running check; dropped
// when the material changes. A resumed handshake shows the certificate of the last full one, so that a full
// one is made at least every kFullHandshakeEvery: a renewed, expired or revoked-by-CA-change certificate is
// seen after that time at the latest.
#pragma once

#include <chrono>
#include <memory>

#include "lb/event/time.h"

struct ssl_session_st;

namespace vipward {

class TlsSessionCache {
 public:
  static constexpr Duration kFullHandshakeEvery = std::chrono::minutes{5};

  // What to offer to the server; nullptr: make a full handshake. Stays the cache's.
  ssl_session_st* offer(TimePoint now);
  // A handshake without resumption has verified the certificate.
  void on_full_handshake(TimePoint now) { full_handshake_at_ = now; }
  // Takes a session (ticket) that the server has issued; the newest one counts.
  void keep(ssl_session_st* session) { session_.reset(session); }
  void drop() { session_.reset(); }

 private:
  struct Free {
    void operator()(ssl_session_st* session) const;
  };
  std::unique_ptr<ssl_session_st, Free> session_;
  TimePoint full_handshake_at_{};
};

}  // namespace vipward
