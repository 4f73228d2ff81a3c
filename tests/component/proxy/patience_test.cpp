// The one test that takes 40 seconds by its nature.
#include <doctest/doctest.h>

#include <thread>

#include "tests/component/proxy/session_pair.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds kPause{40};
constexpr std::uint64_t kTotal = 64 * 1024 * 1024;

// `writer` sends all it has while `reader` has stopped reading.
struct PausedTransfer {
  Peer& writer;
  Peer& reader;
  Pattern pattern;
  std::uint64_t sent = 0;
  std::uint64_t right = 0;
  End end = End::None;

  PausedTransfer(Peer& from, Peer& to, std::uint32_t seed) : writer(from), reader(to), pattern(seed) {
    const timeval long_time{.tv_sec = 2 * kPause.count(), .tv_usec = 0};
    setsockopt(writer.fd(), SOL_SOCKET, SO_SNDTIMEO, &long_time, sizeof long_time);
  }
  void write() {
    sent = send_pattern(writer, pattern, kTotal);
    writer.finish();
  }
  void read() {
    right = receive_pattern(reader, pattern, kTotal);
    end = reader.wait_end();
  }
};

TEST_CASE("a client that stops reading for 40 s then gets every byte, and so does a backend") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  // Stricter than anybody's: a living peer whose reader pauses must outlast the keepalive.
  service.keepalive = {.idle = 1s, .interval = 1s, .count = 2};
  ProxyUnderTest proxy(service);
  SessionPair to_client = open_session(proxy, backend, 16 * 1024);
  SessionPair to_backend = open_session(proxy, backend);
  SessionPair idle = open_session(proxy, backend);
  PausedTransfer down(to_client.backend, to_client.client, 1);
  PausedTransfer up(to_backend.client, to_backend.backend, 2);
  std::jthread down_writer([&] { down.write(); });
  std::jthread up_writer([&] { up.write(); });

  const auto relayed = [&] { return proxy.backend(0).bytes_to_client + proxy.backend(0).bytes_to_backend; };
  const TimePoint start = Clock::now();
  std::this_thread::sleep_until(start + kPause / 2);  // the pause is what is tested
  const std::uint64_t at_half_time = relayed();
  CHECK(at_half_time < 2 * kTotal);
  std::this_thread::sleep_until(start + kPause);
  // Window probes may squeeze in a little more.
  CHECK(relayed() < at_half_time + 1024 * 1024);
  CHECK(proxy.sessions() == 3);
  CHECK(proxy.closed() == 0);

  std::jthread down_reader([&] { down.read(); });
  up.read();
  down_reader.join();
  down_writer.join();
  up_writer.join();
  for (const PausedTransfer* transfer : {&down, &up}) {
    CHECK(transfer->sent == kTotal);
    CHECK(transfer->right == kTotal);
    CHECK(transfer->end == End::Eof);
  }
  CHECK(works(idle));
}

}  // namespace
}  // namespace vipward::test
