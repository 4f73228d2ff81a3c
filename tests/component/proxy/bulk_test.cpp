// Bytes through a session: all of them, in order, in bounded memory, beside others.
#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "tests/component/proxy/session_pair.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kMiB = 1024 * 1024;

TEST_CASE("one byte at a time, each way") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  auto [client, served] = open_session(proxy, backend);
  const Pattern pattern(7);
  for (std::uint64_t i = 0; i < 2000; ++i) {
    REQUIRE(client.send(pattern.at(i, 1)));
    REQUIRE(served.receive(1) == pattern.at(i, 1));
    REQUIRE(served.send(pattern.at(i + 5000, 1)));
    REQUIRE(client.receive(1) == pattern.at(i + 5000, 1));
  }
  CHECK(proxy.backend(0).bytes_to_backend == 2001);
  CHECK(wait_until([&] { return proxy.backend(0).bytes_to_client == 2000; }, kPatience));
}

// 100 MiB from one peer to the other, on threads of its own; compared byte by byte.
class Transfer {
 public:
  Transfer(Peer& from, Peer& to, std::uint32_t seed)
      : pattern_(seed),
        sender_([this, &from] {
          send_pattern(from, pattern_, kTotal);
          from.finish();
        }),
        receiver_([this, &to] {
          right_ = receive_pattern(to, pattern_, kTotal);
          end_ = to.wait_end();
        }) {}
  bool is_complete() {
    sender_.join();
    receiver_.join();
    return right_ == kTotal && end_ == End::Eof;
  }

 private:
  static constexpr std::uint64_t kTotal = 100 * kMiB;
  Pattern pattern_;
  std::uint64_t right_ = 0;
  End end_ = End::None;
  std::jthread sender_;
  std::jthread receiver_;
};

TEST_CASE("100 MiB each way at the same time on several sessions, while others are idle or small") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  auto idle = open_sessions(proxy, backend, 50);
  SessionPair small = open_session(proxy, backend);
  auto bulk = open_sessions(proxy, backend, 2);
  std::deque<Transfer> transfers;
  for (SessionPair& session : bulk) {
    const auto seed = static_cast<std::uint32_t>(transfers.size() + 1);
    transfers.emplace_back(session.client, session.backend, seed);
    transfers.emplace_back(session.backend, session.client, seed + 100);
  }
  // Nobody starves beside them.
  Duration longest{};
  int pings = 0;
  while (proxy.closed() < bulk.size() && pings < 100'000) {
    const TimePoint start = Clock::now();
    REQUIRE(works(small));
    longest = std::max(longest, Clock::now() - start);
    ++pings;
  }
  for (Transfer& transfer : transfers) CHECK(transfer.is_complete());
  MESSAGE(pings, " pings meanwhile, the slowest took ",
          std::chrono::duration_cast<std::chrono::milliseconds>(longest).count(), " ms");
  CHECK(pings > 10);
  CHECK(longest < 3s);
  for (SessionPair& session : idle) CHECK(works(session));
  CHECK(wait_until([&] { return proxy.sessions() == 51; }, kPatience));
  CHECK(proxy.backend(0).bytes_to_backend >= 200 * kMiB);
  CHECK(proxy.backend(0).bytes_to_client >= 200 * kMiB);
  // What is in bulk is not copied, and is counted like anything else.
  CHECK(proxy.spliced_bytes() > 200 * kMiB);
}

// A reader that waits until it is told to read.
class SleepingReader {
 public:
  SleepingReader(Peer& peer, const Pattern& pattern)
      : thread_([this, &peer, &pattern] {
          {
            std::unique_lock lock(mutex_);
            woken_.wait(lock, [this] { return awake_; });
          }
          right_ = receive_pattern(peer, pattern, ~std::uint64_t{0});
        }) {}
  ~SleepingReader() { wake(); }
  void wake() {
    const std::lock_guard lock(mutex_);
    awake_ = true;
    woken_.notify_all();
  }
  // Once the stream has ended.
  std::uint64_t right() {
    thread_.join();
    return right_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable woken_;
  bool awake_ = false;
  std::uint64_t right_ = 0;
  std::jthread thread_;
};

// Sends as long as bytes are taken within `limit`; how many were.
std::uint64_t send_until_stopped(Peer& peer, const Pattern& pattern, std::uint64_t from, Millis limit) {
  const timeval brief{.tv_sec = limit.count() / 1000, .tv_usec = limit.count() % 1000 * 1000};
  setsockopt(peer.fd(), SOL_SOCKET, SO_SNDTIMEO, &brief, sizeof brief);
  constexpr std::uint64_t kFarTooMuch = 1024 * kMiB;
  std::uint64_t sent = from;
  while (sent < kFarTooMuch) {
    const std::string_view chunk = pattern.at(sent, 64 * 1024);
    const std::size_t n = peer.send_some(chunk);
    if (n == 0) break;
    sent += n;
  }
  return sent;
}

void check_backpressure(ProxyUnderTest& proxy, Peer& writer, Peer& reader) {
  const Pattern pattern(11);
  SleepingReader sleeping(reader, pattern);
  const std::size_t before = resident_bytes();
  const std::uint64_t sent = send_until_stopped(writer, pattern, 0, 500ms);
  // What two legs of kernel buffers hold (net.ipv4.tcp_wmem, tcp_rmem: 4 + 6 MB each by default).
  CHECK(sent > 0);
  CHECK(sent < 128 * kMiB);
  CHECK(resident_bytes() < before + 4 * kMiB);
  // The other direction is free.
  CHECK(reader.send("pong"));
  CHECK(writer.receive(4) == "pong");
  // And still the writer is stopped.
  const std::uint64_t more = send_until_stopped(writer, pattern, sent, 200ms) - sent;
  CHECK(more < 16 * kMiB);
  CHECK(proxy.sessions() == 1);
  sleeping.wake();
  writer.finish();
  CHECK(sleeping.right() == sent + more);
}

TEST_CASE("a client that does not read stops the backend, in bounded memory, and loses nothing") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  auto [client, served] = open_session(proxy, backend);
  check_backpressure(proxy, served, client);
}

TEST_CASE("a backend that does not read stops the client, in bounded memory, and loses nothing") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  auto [client, served] = open_session(proxy, backend);
  check_backpressure(proxy, client, served);
}

TEST_CASE("a client that goes in bulk is noticed, although the backend takes no more of what it said") {
  Backend backend;
  const int small = 4096;
  REQUIRE(setsockopt(backend.listener(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0);
  ProxyUnderTest proxy(service_with({backend.address()}));
  const Pattern pattern(13);
  for (std::uint64_t i = 1; i <= 5; ++i) {
    auto [client, served] = open_session(proxy, backend);
    std::jthread reader([&, &served = served] { receive_pattern(served, pattern, 4 * kMiB); });
    REQUIRE(send_pattern(client, pattern, 4 * kMiB) == 4 * kMiB);
    reader.join();
    proxy.run_inside([&, &client = client] {  // so that both come to it as one event
      send_until_stopped(client, pattern, 4 * kMiB, 50ms);
      client.reset();
    });
    CHECK(proxy.wait_closed(EndReason::ClientReset, i));
  }
}

TEST_CASE("a reader in fits and starts gets every byte: no edge is missed") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  auto [client, served] = open_session(proxy, backend, 4096);
  const Pattern pattern(5);
  constexpr std::uint64_t kTotal = 8 * kMiB;
  std::jthread sender([&, &served = served] {
    send_pattern(served, pattern, kTotal);
    served.finish();
  });
  std::uint64_t right = 0;
  // Small and large sips, so that the window closes and opens all the time.
  for (std::size_t sip = 1; right < kTotal; sip = sip % 50'000 + 997) {
    const std::string received = client.receive(std::min<std::uint64_t>(sip, kTotal - right));
    REQUIRE_FALSE(received.empty());
    std::string expected;
    while (expected.size() < received.size()) {
      expected += pattern.at(right + expected.size(), received.size() - expected.size());
    }
    REQUIRE((received == expected));
    right += received.size();
  }
  CHECK(client.wait_end() == End::Eof);
}

}  // namespace
}  // namespace vipward::test
