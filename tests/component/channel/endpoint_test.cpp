// Both ends of a channel on one loop, and a hand-made peer that keeps to no rule.
#include "lb/channel/endpoint.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <optional>

#include "lb/event/every_turn.h"
#include "tests/unit/channel/messages.h"

namespace vipward::channel_test {
namespace {

using namespace channel;
using namespace std::chrono_literals;

// Runs the loop until `done` says so, which is asked after every event; fails the test after two seconds.
class Bench {
 public:
  Loop loop;

  bool run_until(const std::function<bool()>& done) {
    bool late = false;
    Timer limit(loop, [&] {
      late = true;
      loop.stop();
    });
    std::optional<Timer> ask;
    ask.emplace(loop, [&] {
      if (done()) return loop.stop();
      ask->arm_after(1ms);
    });
    limit.arm_after(2s);
    ask->arm_after(0ms);
    loop.run();
    return !late;
  }
};

// A guardian's end and what it heard.
struct Guardian {
  Guardian(Loop& loop, Fd socket)
      : end(std::in_place, loop, std::move(socket),
            GuardianEnd::Handlers{
                .on_message = [this](ToGuardian message) { heard.push_back(std::move(message)); },
                .on_closed = [this] { ++closed; },
                .on_malformed = [this] { ++malformed; }}) {}

  std::vector<ToGuardian> heard;
  int closed = 0;
  int malformed = 0;
  std::optional<GuardianEnd> end;
};

struct Proxy {
  Proxy(Loop& loop, Fd socket)
      : end(std::in_place, loop, std::move(socket),
            ProxyEnd::Handlers{.on_message = [this](ToProxy message) { heard.push_back(std::move(message)); },
                               .on_closed = [this] { ++closed; },
                               .on_malformed = [this] { ++malformed; },
                               .on_descriptors_lost = [this](std::size_t kind) { lost.push_back(kind); }}) {}

  std::vector<ToProxy> heard;
  int closed = 0;
  int malformed = 0;
  std::vector<std::size_t> lost;  // kinds
  std::optional<ProxyEnd> end;
};

// Sends what no end of ours would.
ssize_t send_raw(const Fd& socket, const std::vector<std::uint8_t>& bytes, const std::vector<Fd>& fds = {}) {
  iovec data{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) std::array<char, 4096> control{};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  if (!fds.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* const part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    for (std::size_t i = 0; i < fds.size(); ++i) {
      const int fd = fds[i].get();
      std::memcpy(CMSG_DATA(part) + i * sizeof fd, &fd, sizeof fd);
    }
  }
  return sendmsg(socket.get(), &header, MSG_NOSIGNAL);
}

TEST_CASE("every message arrives at the other end, in order, with its descriptors") {
  Bench bench;
  Pair pair = create_pair();
  Guardian guardian(bench.loop, std::move(pair.guardian));
  Proxy proxy(bench.loop, std::move(pair.proxy));
  auto to_proxy = messages_to_proxy();
  auto to_guardian = messages_to_guardian();
  const std::size_t outwards = to_proxy.size();
  const std::size_t back = to_guardian.size();
  for (auto& message : to_proxy) CHECK(guardian.end->send(std::move(message)));
  for (auto& message : to_guardian) CHECK(proxy.end->send(std::move(message)));
  REQUIRE(bench.run_until([&] { return proxy.heard.size() == outwards && guardian.heard.size() == back; }));
  std::size_t i = 0;
  for (const auto& message : messages_to_proxy()) {
    CHECK(encode(proxy.heard[i]).bytes == encode(message).bytes);
    for (const int fd : encode(proxy.heard[i]).descriptors) CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    ++i;
  }
}

TEST_CASE("a peer that does not read fills a bounded queue, which goes on once it reads") {
  Bench bench;
  Pair pair = create_pair();
  Guardian guardian(bench.loop, std::move(pair.guardian));
  int taken = 0;
  while (guardian.end->send(HttpConnection{some_fd()})) REQUIRE(++taken < 100'000);
  CHECK(guardian.end->is_open());
  CHECK(guardian.end->queued() == PacketSocket::kLongestQueue);
  Proxy proxy(bench.loop, std::move(pair.proxy));
  CHECK(bench.run_until([&] { return proxy.heard.size() == static_cast<std::size_t>(taken); }));
  CHECK(guardian.end->queued() == 0);
  CHECK(guardian.end->send(Serve{}));
}

TEST_CASE("a peer that is gone is told once, after what it had still sent") {
  Bench bench;
  Pair pair = create_pair();
  Guardian guardian(bench.loop, std::move(pair.guardian));
  {
    Proxy proxy(bench.loop, std::move(pair.proxy));
    CHECK(proxy.end->send(SessionsReset{3}));
  }
  SUBCASE("whether or not something is sent meanwhile") {
    CHECK_FALSE(guardian.end->send(Serve{}));
    CHECK_FALSE(guardian.end->is_open());
  }
  CHECK(bench.run_until([&] { return guardian.closed == 1; }));
  CHECK(guardian.heard.size() == 1);
  CHECK(guardian.malformed == 0);
  CHECK_FALSE(guardian.end->send(Serve{}));
}

TEST_CASE("the last words of a peer that had not read everything are heard") {
  Bench bench;
  Pair pair = create_pair();
  Guardian guardian(bench.loop, std::move(pair.guardian));
  CHECK(guardian.end->send(Serve{}));
  send_raw(pair.proxy, encode(ToGuardian(Failed{{"no listener"}})).bytes);
  pair.proxy.reset();
  SUBCASE("whether or not something is sent meanwhile") {
    guardian.end->send(Serve{});
  }
  CHECK(bench.run_until([&] { return guardian.closed == 1; }));
  REQUIRE(guardian.heard.size() == 1);
  CHECK(std::get<Failed>(guardian.heard[0]).problems == std::vector<std::string>{"no listener"});
}

TEST_CASE("a handler may destroy the end") {
  Bench bench;
  Pair pair = create_pair();
  std::optional<GuardianEnd> end;
  int calls = 0;
  const auto destroy = [&] {
    ++calls;
    end.reset();
  };
  const std::string ballast(100, 'x');  // in every closure: ASan sees one that is used after it has gone
  end.emplace(bench.loop, std::move(pair.guardian),
              GuardianEnd::Handlers{
                  .on_message = [&, ballast](const ToGuardian&) { destroy(), calls += ballast.empty(); },
                  .on_closed = [&, ballast] { destroy(), calls += ballast.empty(); },
                  .on_malformed = [&, ballast] { destroy(), calls += ballast.empty(); }});
  SUBCASE("when a message arrives, others waiting behind it") {
    for (int i = 0; i < 3; ++i) send_raw(pair.proxy, encode(ToGuardian(Ready{})).bytes);
  }
  SUBCASE("when the peer goes") {
    pair.proxy.reset();
  }
  SUBCASE("when nonsense arrives") {
    send_raw(pair.proxy, {1, 2, 3});
  }
  CHECK(bench.run_until([&] { return !end; }));
  CHECK(calls == 1);
}

TEST_CASE("nonsense ends the channel, and nothing behind it is read") {
  Bench bench;
  Pair pair = create_pair();
  Guardian guardian(bench.loop, std::move(pair.guardian));
  const std::vector<std::uint8_t> ready = encode(ToGuardian(Ready{})).bytes;
  send_raw(pair.proxy, ready);
  SUBCASE("random bytes") {
    send_raw(pair.proxy, {0xFF, 0xFF});
  }
  SUBCASE("a message of the other direction") {
    send_raw(pair.proxy, encode(ToProxy(Stop{"x"})).bytes);
  }
  SUBCASE("more bytes than a packet may have") {
    std::vector<std::uint8_t> large = ready;
    large.resize(kLongestPacket + 1);
    REQUIRE(send_raw(pair.proxy, large) > 0);
  }
  send_raw(pair.proxy, ready);
  CHECK(bench.run_until([&] { return guardian.malformed == 1; }));
  CHECK(guardian.heard.size() == 1);
  CHECK(guardian.closed == 0);
  CHECK_FALSE(guardian.end->send(Serve{}));
}

TEST_CASE("a proxy that sends descriptors is malformed, and none reaches the guardian") {
  Bench bench;
  Pair pair = create_pair();
  Guardian guardian(bench.loop, std::move(pair.guardian));
  const std::size_t before = open_descriptors();
  SUBCASE("one") {
    send_raw(pair.proxy, encode(ToGuardian(Ready{})).bytes, some_fds(1));
  }
  SUBCASE("as many as the kernel takes") {
    send_raw(pair.proxy, encode(ToGuardian(Ready{})).bytes, some_fds(253));
  }
  CHECK(bench.run_until([&] { return guardian.malformed == 1; }));
  CHECK(guardian.heard.empty());
  CHECK(open_descriptors() == before);
}

TEST_CASE("descriptors of a message that has no use for them are closed") {
  Bench bench;
  Pair pair = create_pair();
  Proxy proxy(bench.loop, std::move(pair.proxy));
  const std::size_t before = open_descriptors();
  send_raw(pair.guardian, encode(ToProxy(Serve{})).bytes, some_fds(253));
  CHECK(bench.run_until([&] { return proxy.malformed == 1; }));
  CHECK(open_descriptors() == before);
}

TEST_CASE("a proxy without room for a descriptor loses that message and stays") {
  Bench bench;
  Pair pair = create_pair();
  Proxy proxy(bench.loop, std::move(pair.proxy));
  REQUIRE(send_raw(pair.guardian, encode(ToProxy(HttpConnection{some_fd()})).bytes, some_fds(1)) > 0);
  REQUIRE(send_raw(pair.guardian, encode(ToProxy(Serve{})).bytes) > 0);
  rlimit limit{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  rlimit none = limit;
  none.rlim_cur = 0;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  const bool done = bench.run_until([&] { return !proxy.heard.empty(); });
  setrlimit(RLIMIT_NOFILE, &limit);
  CHECK(done);
  CHECK(proxy.lost == std::vector{ToProxy(std::in_place_type<HttpConnection>).index()});
  CHECK(proxy.malformed == 0);
  CHECK(std::holds_alternative<Serve>(proxy.heard.at(0)));
}

TEST_CASE("a flood takes its share of a turn and no more") {
  Bench bench;
  Pair pair = create_pair();
  Guardian guardian(bench.loop, std::move(pair.guardian));
  const std::vector<std::uint8_t> ready = encode(ToGuardian(Ready{})).bytes;
  std::size_t sent = 0;
  while (send_raw(pair.proxy, ready) > 0) ++sent;
  REQUIRE(sent > 3 * PacketSocket::kPacketsPerTurn);
  std::size_t most = 0;
  std::size_t before = 0;
  EveryTurn each(bench.loop, [&] {
    most = std::max(most, guardian.heard.size() - before);
    before = guardian.heard.size();
  });
  each.start();
  CHECK(bench.run_until([&] { return guardian.heard.size() == sent; }));
  CHECK(most == PacketSocket::kPacketsPerTurn);
}

}  // namespace
}  // namespace vipward::channel_test
