// A proxy that was taken over: it says and writes what it can, and harms nobody but itself.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "lb/channel/codec.h"
#include "lb/channel/vitals.h"
#include "tests/support/wait.h"
#include "tests/system/guarded.h"
#include "tests/system/standins.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;
using Bytes = std::vector<std::uint8_t>;

constexpr int kChannel = 3;

ssize_t send_packet(const Fd& channel, const Bytes& bytes, int descriptor = -1) {
  iovec data{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  if (descriptor >= 0) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* const part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(part), &descriptor, sizeof descriptor);
  }
  return sendmsg(channel.get(), &header, MSG_NOSIGNAL);
}

Bytes bytes_of(const channel::ToGuardian& message) {
  return channel::encode(message).bytes;
}

// As much as the guardian takes until it has had enough.
void flood(const Fd& channel, const Bytes& packet) {
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (std::chrono::steady_clock::now() < deadline) {
    if (send_packet(channel, packet) < 0 && errno != EAGAIN) return;
  }
}

TEST_CASE("a proxy that says what no proxy says is killed, and the next one serves") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  const pid_t guardian = vipward.pid();
  const pid_t proxy = proxy_of(vipward);
  const std::size_t descriptors = descriptors_of(guardian).size();
  HttpClient client = rig.client();
  REQUIRE(client.get("/whoami").is_ok());
  std::string cause = "sent what is no message";
  {
    const Fd channel = descriptor_from(proxy, kChannel);
    const Bytes failed = bytes_of(channel::Failed{.problems = {"one", "two"}});
    SUBCASE("garbage") {
      send_packet(channel, Bytes(1000, 0xA5));
    }
    SUBCASE("a byte") {
      send_packet(channel, {0xFF});
    }
    SUBCASE("half a message") {
      send_packet(channel,
                  Bytes(failed.begin(), failed.begin() + static_cast<std::ptrdiff_t>(failed.size() / 2)));
    }
    SUBCASE("more than a message") {
      Bytes longer = failed;
      longer.push_back(0);
      send_packet(channel, longer);
    }
    SUBCASE("a packet that is larger than any") {
      const int size = 1 << 20;
      setsockopt(channel.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
      REQUIRE(send_packet(channel, Bytes(channel::kLongestPacket + 1, 1)) > 0);
    }
    SUBCASE("what only the guardian says") {
      send_packet(channel, channel::encode(channel::ToProxy(channel::Stop{.reason = "SIGTERM"})).bytes);
    }
    SUBCASE("a message with a descriptor") {
      const Fd gift(memfd_create("gift", MFD_CLOEXEC));
      send_packet(channel, bytes_of(channel::Backends{}), gift.get());
    }
    SUBCASE("nothing any more") {
      cause = "closed its channel";
      shutdown(channel.get(), SHUT_WR);
    }
    SUBCASE("that it serves, once more") {
      cause = "spoke of its start twice";
      send_packet(channel, bytes_of(channel::Ready{}));
    }
    SUBCASE("good messages without end") {
      cause = "floods its channel";
      flood(channel, bytes_of(channel::Backends{.every_service_has_living = true}));
    }
    SUBCASE("that it could not start, after all") {
      cause = "spoke of its start twice";
      send_packet(channel, failed);
    }
  }
  CHECK(client.wait_for_end(2s) == ClientError::Reset);
  CHECK(wait_until([&] { return is_process_gone(proxy); }, 2s));
  REQUIRE(wait_for_generation(vipward, 2));
  CHECK(vipward.pid() == guardian);
  CHECK(vipward.process().count_lines("warn  proxy is unfit, it is killed pid=" + std::to_string(proxy) +
                                      " cause=\"" + cause + "\"") == 1);
  CHECK(vipward.wait_until_ready(rig.names(), 10s));
  CHECK(rig.ask(30).size() == 3);
  CHECK(wait_for_descriptors(guardian, descriptors));
  for (const OpenDescriptor& open : descriptors_of(guardian)) {
    CHECK(open.target.find("gift") == std::string::npos);
  }
}

TEST_CASE("what a proxy has said is void once it is dead") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  const pid_t proxy = proxy_of(vipward);
  const Fd channel = descriptor_from(proxy, kChannel);
  // So that the guardian finds the messages and the death together, in whatever order.
  kill(vipward.pid(), SIGSTOP);
  for (int i = 0; i < 40; ++i) CHECK(send_packet(channel, bytes_of(channel::Ready{})) > 0);
  kill(proxy, SIGKILL);
  REQUIRE(wait_until([&] { return is_process_gone(proxy); }, 5s));
  kill(vipward.pid(), SIGCONT);
  REQUIRE(wait_for_generation(vipward, 2));
  CHECK(vipward.wait_until_ready(rig.names(), 10s));
}

TEST_CASE("what the guardian lends can neither be cut nor changed by the proxy") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  const pid_t proxy = proxy_of(vipward);
  const Fd vitals = descriptor_from(proxy, "/memfd:vipward-vitals (deleted)");
  for (const off_t size : {off_t{0}, off_t{1}, off_t{1 << 20}}) {
    CAPTURE(size);
    errno = 0;
    CHECK(ftruncate(vitals.get(), size) == -1);
    CHECK(errno == EPERM);
  }
  CHECK(fcntl(vitals.get(), F_ADD_SEALS, F_SEAL_WRITE) == -1);
  CHECK(vipward.wait_until_ready(rig.names(), 5s));
  CHECK(generation_of(vipward) == 1);

  // The configuration is read-only memory, in the guardian's hands.
  const Fd text = descriptor_from(vipward.pid(), "/memfd:vipward-config (deleted)");
  CHECK(write(text.get(), "x", 1) == -1);
  CHECK(ftruncate(text.get(), 0) == -1);
}

TEST_CASE("a proxy that lies about its signs of life harms itself alone") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  const pid_t proxy = proxy_of(vipward);
  const std::size_t descriptors = descriptors_of(vipward.pid()).size();
  {
    const Fd vitals = descriptor_from(proxy, "/memfd:vipward-vitals (deleted)");
    const auto write_slot = [&](std::size_t slot, std::uint64_t stamp, std::int32_t thread) {
      std::array<std::uint8_t, sizeof(channel::VitalsSlot)> bytes{};
      std::memcpy(bytes.data(), &stamp, sizeof stamp);
      std::memcpy(bytes.data() + offsetof(channel::VitalsSlot, thread_id), &thread, sizeof thread);
      CHECK(pwrite(vitals.get(), bytes.data(), bytes.size(),
                   static_cast<off_t>(slot * sizeof(channel::VitalsSlot))) == sizeof bytes);
    };
    // Times that never were, threads that are none: believed as fresh.
    for (std::size_t slot = 10; slot < channel::kVitalsSlots; ++slot) write_slot(slot, ~0ULL - slot, -5);
    CHECK(vipward.wait_until_ready(rig.names(), 5s));
    // A thread that is another process's.
    write_slot(9, 1, 1);
  }
  CHECK(wait_until([&] { return is_process_gone(proxy); }, 5s));
  CHECK(vipward.process().count_lines("proxy is unfit.*cause=\"worker 8 stalled\"") == 1);
  CHECK(wait_for_generation(vipward, 2));
  CHECK(wait_for_descriptors(vipward.pid(), descriptors));
}

TEST_CASE("the proxy has nothing of the guardian's but what it was lent") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  // "socket:[INODE]" of the control socket's listener (proc(5)).
  std::ifstream unix_sockets("/proc/thread-self/net/unix");
  std::string control;
  for (std::string line; std::getline(unix_sockets, line);) {
    if (!line.ends_with(" " + rig.folder().file("control.sock"))) continue;
    std::istringstream words(line);
    std::string word;
    for (int i = 0; i < 7; ++i) words >> word;
    control = "socket:[" + word + "]";
  }
  REQUIRE_FALSE(control.empty());
  const auto has = [&](pid_t pid, const std::string& target) {
    return std::ranges::count(descriptors_of(pid), target, &OpenDescriptor::target) > 0;
  };
  CHECK(has(vipward.pid(), control));
  CHECK_FALSE(has(proxy_of(vipward), control));
  for (const OpenDescriptor& open : descriptors_of(proxy_of(vipward))) {
    CAPTURE(open.target);
    const bool expected = open.number <= 2 || open.target.starts_with("socket:[") ||
                          open.target.starts_with("anon_inode:[event") || open.target.starts_with("pipe:[") ||
                          open.target.starts_with("/memfd:vipward-") || open.target == "/dev/null";
    CHECK(expected);
  }
}

}  // namespace
}  // namespace vipward::test
