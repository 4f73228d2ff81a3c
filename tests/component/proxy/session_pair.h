// A session with both of its ends in the test's hands.
#pragma once

#include <doctest/doctest.h>

#include <utility>
#include <vector>

#include "tests/component/proxy/proxy_under_test.h"
#include "tests/support/wait.h"

namespace vipward::test {

struct SessionPair {
  Peer client;
  Peer backend;
};

// Connects through the proxy to `backend`, its only possible one. The first byte is sent and received.
inline SessionPair open_session(const ProxyUnderTest& proxy, Backend& backend, int receive_buffer_bytes = 0) {
  SessionPair pair{.client = Peer::connect_to(proxy.address(), receive_buffer_bytes), .backend = {}};
  REQUIRE(pair.client.send("x"));
  pair.backend = backend.accept();
  REQUIRE(pair.backend);
  REQUIRE(pair.backend.receive(1) == "x");
  return pair;
}

inline std::vector<SessionPair> open_sessions(const ProxyUnderTest& proxy, Backend& backend, std::size_t n) {
  std::vector<SessionPair> pairs;
  for (std::size_t i = 0; i < n; ++i) pairs.push_back(open_session(proxy, backend));
  return pairs;
}

// Bytes pass both ways.
inline bool works(SessionPair& pair) {
  return pair.client.send("ping") && pair.backend.receive(4) == "ping" && pair.backend.send("pong") &&
         pair.client.receive(4) == "pong";
}

}  // namespace vipward::test
