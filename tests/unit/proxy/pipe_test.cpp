#include "lb/proxy/pipe.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <vector>

#include "tests/unit/proxy/stream_ends.h"

namespace vipward {
namespace {

using test::TcpPair;

std::ptrdiff_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return std::distance(begin(all), end(all));
}

struct Fixture {
  Counter spliced;
  std::vector<int> refusals;
  Pipe pipe{spliced, [this](int error) { refusals.push_back(error); }};
  std::vector<std::byte> unsent;
};

TEST_CASE("a pipe is opened when it is needed, once, and moves what has come") {
  std::signal(SIGPIPE, SIG_IGN);
  Fixture f;
  TcpPair source;
  TcpPair sink;
  const auto before = open_descriptors();
  const auto move = [&](std::size_t most) {
    return f.pipe.move(source.ours.get(), sink.ours.get(), most, f.unsent);
  };
  CHECK(move(1000).received == 0);
  REQUIRE(test::write_some(source.theirs.get(), test::text(3000)) == 3000);
  CHECK(move(2000).received == 2000);
  const Pipe::Move rest = move(2000);
  CHECK(rest.received == 1000);
  CHECK(rest.sent == 1000);
  CHECK(rest.sink_error == 0);
  CHECK(test::read_all(sink.theirs.get()) == test::text(3000));
  CHECK(f.spliced.value() == 3000);
  CHECK(f.unsent.empty());
  CHECK(open_descriptors() == before + 2);
  shutdown(source.theirs.get(), SHUT_WR);
  CHECK(move(2000).received == 0);
}

// Moves until the sink takes no more; what was left over.
std::size_t left_over(Fixture& f, TcpPair& source, TcpPair& sink) {
  Pipe::Move move;
  std::uint64_t received = 0;
  const std::string text = test::text(1024 * 1024);
  for (int i = 0; i < 10'000 && move.sink_error == 0; ++i) {
    test::write_some(source.theirs.get(), text);
    move = f.pipe.move(source.ours.get(), sink.ours.get(), Pipe::kMostBytes, f.unsent);
    received += static_cast<std::uint64_t>(std::max<ssize_t>(move.received, 0));
  }
  CHECK(move.sink_error == EAGAIN);
  CHECK(f.unsent.size() == static_cast<std::size_t>(move.received) - move.sent);
  CHECK(f.spliced.value() == received - f.unsent.size());
  return f.unsent.size();
}

TEST_CASE("a sink without room leaves little over, and a sink that failed leaves nothing in the pipe") {
  Fixture f;
  TcpPair source;
  TcpPair sink;
  CHECK(left_over(f, source, sink) <= 64 * 1024);

  sink.theirs.reset();
  test::write_some(source.theirs.get(), test::text(1000));
  const Pipe::Move move = f.pipe.move(source.ours.get(), sink.ours.get(), Pipe::kMostBytes, f.unsent);
  CHECK((move.sink_error == ECONNRESET || move.sink_error == EPIPE));
  TcpPair another_source;
  TcpPair another_sink;
  REQUIRE(test::write_some(another_source.theirs.get(), "hello") == 5);
  CHECK(f.pipe.move(another_source.ours.get(), another_sink.ours.get(), 1000, f.unsent).sent == 5);
  CHECK(test::read_all(another_sink.theirs.get()) == "hello");
}

// Calls `task` in a child, which it ends by its answer, at most 255.
int answer_of_child(const std::function<int()>& task) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) _exit(task());
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

// A network namespace of its own with loopback up and this limit.
bool enter_network_with(std::uint32_t unsent_limit) {
  if (unshare(CLONE_NEWNET) != 0) return false;
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq loopback{};
  loopback.ifr_name[0] = 'l';
  loopback.ifr_name[1] = 'o';
  loopback.ifr_flags = IFF_UP;
  std::ofstream limit("/proc/sys/net/ipv4/tcp_notsent_lowat");
  return ioctl(socket.get(), SIOCSIFFLAGS, &loopback) == 0 && (limit << unsent_limit << std::flush);
}

TEST_CASE("a sink that may hold few unsent bytes (tcp_notsent_lowat) leaves little over, too") {
  if (geteuid() != 0) {
    MESSAGE("needs root, for a network namespace");
    return;
  }
  const int kib = answer_of_child([] {
    if (!enter_network_with(16 * 1024)) return 255;
    constexpr int kBuffers = 2 * 1024 * 1024;  // else a piece is small for want of bytes
    Fixture f;
    TcpPair source(kBuffers);
    TcpPair sink(kBuffers);
    return static_cast<int>(std::min<std::size_t>(left_over(f, source, sink) / 1024, 254));
  });
  REQUIRE_MESSAGE(kib != 255, "no network namespace of its own");
  CHECK(kib <= 64);
}

// seccomp(2): splice(2) answers so from now on.
bool forbid_splice(int error) {
  std::array filter{
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_splice, 0, 1),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{.len = filter.size(), .filter = filter.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST_CASE("a filter that forbids splice(2) is no fault of a socket's, whatever it says; it is said once") {
  for (const int error : {EPERM, ENOSYS, EACCES, ENOTSUP}) {
    CAPTURE(error);
    const int refused = answer_of_child([error] {
      Fixture f;
      TcpPair source;
      TcpPair sink;
      test::write_some(source.theirs.get(), "hello");
      if (!forbid_splice(error)) return 255;
      for (int i = 0; i < 300; ++i) {
        const Pipe::Move move = f.pipe.move(source.ours.get(), sink.ours.get(), 100, f.unsent);
        if (move.received != 0 || move.sink_error != 0) return 254;
      }
      return f.refusals.size() == 1 ? f.refusals.front() : 253;
    });
    CHECK(refused == error);
  }
}

TEST_CASE("without descriptors there is no pipe, said once, until there are some again") {
  Fixture f;
  TcpPair source;
  TcpPair sink;
  REQUIRE(test::write_some(source.theirs.get(), "hello") == 5);
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{.rlim_cur = 3, .rlim_max = before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  std::size_t sent = 0;
  const auto try_to_move = [&] {
    sent += f.pipe.move(source.ours.get(), sink.ours.get(), 1000, f.unsent).sent;
  };
  for (int i = 0; i < 300; ++i) try_to_move();
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(sent == 0);
  CHECK(f.refusals == std::vector{EMFILE});
  for (int i = 0; i < 300; ++i) try_to_move();
  CHECK(sent == 5);
}

TEST_CASE("a refusal is said again only when splice(2) has worked for long") {
  const int said = answer_of_child([] {
    Fixture f;
    TcpPair source;
    TcpPair sink;
    // So many moves that work, of a byte each; then as many tries as find out that it does not.
    const auto work = [&](int moves) {
      for (int i = 0; i < moves; ++i) {
        test::write_some(source.theirs.get(), "x");
        if (f.pipe.move(source.ours.get(), sink.ours.get(), 1, f.unsent).sent != 1) return false;
        test::read_all(sink.theirs.get());
      }
      return true;
    };
    const auto be_refused = [&] {
      // What cannot be spliced into: no socket, and no fault of one.
      const Fd unfit(memfd_create("unfit", MFD_CLOEXEC));
      fcntl(unfit.get(), F_SETFL, O_APPEND);
      test::write_some(source.theirs.get(), "x");
      f.pipe.move(source.ours.get(), unfit.get(), 1, f.unsent);
      f.unsent.clear();
      for (int i = 0; i < 100; ++i) f.pipe.move(source.ours.get(), sink.ours.get(), 1, f.unsent);
    };
    be_refused();
    if (!work(100)) return 255;
    be_refused();
    if (f.refusals.size() != 1) return 254;
    if (!work(10'000)) return 253;
    be_refused();
    return static_cast<int>(f.refusals.size());
  });
  CHECK(said == 2);
}

// In a child, as a user without privileges who has taken so many KiB of pipes already: how many KiB a
// worker's pipe has; 0 for none.
int room_beside(int taken_kib) {
  const int answer = answer_of_child([taken_kib] {
    // The kernel counts by user, and other runs of this test may be under way.
    const auto unused_user = static_cast<uid_t>(60'000 + getpid() % 5000);
    if (setgroups(0, nullptr) != 0 || setresuid(unused_user, unused_user, unused_user) != 0) return 255;
    for (int left = taken_kib; left > 0; left -= 1024) {
      std::array<int, 2> ends{};
      const int size = std::min(left, 1024) * 1024;
      if (pipe(ends.data()) != 0 || fcntl(ends[0], F_SETPIPE_SZ, size) < 0) return 254;
    }
    Fixture f;
    TcpPair sockets;
    f.pipe.move(sockets.ours.get(), sockets.theirs.get(), 1, f.unsent);
    if (f.pipe.room() == 0) return f.refusals == std::vector{ENOBUFS} ? 0 : 253;
    return static_cast<int>(f.pipe.room() / (16 * 1024));
  });
  REQUIRE_MESSAGE(answer <= 64, "no such user, or no such pipes");
  return answer * 16;
}

// What the kernel gives one: 64 MiB, unless the host says otherwise; 0: no limit.
int soft_limit_kib() {
  int pages = 0;
  std::ifstream("/proc/sys/fs/pipe-user-pages-soft") >> pages;
  return pages * static_cast<int>(sysconf(_SC_PAGESIZE) / 1024);
}

TEST_CASE("where the kernel gives a user no more room in pipes they are smaller, and at last none") {
  const int limit_kib = soft_limit_kib();
  if (geteuid() != 0 || limit_kib < 2048) {
    MESSAGE("needs root, to be another user, and a limit of a user's pipes, which is ", limit_kib, " KiB");
    return;
  }
  CHECK(room_beside(0) == 1024);
  CHECK(room_beside(limit_kib - 1024) == 1024);
  CHECK(room_beside(limit_kib - 512) == 256);
  CHECK(room_beside(limit_kib) == 0);
}

}  // namespace
}  // namespace vipward
