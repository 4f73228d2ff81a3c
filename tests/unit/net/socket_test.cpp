#include "lb/net/socket.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace vipward {
namespace {

using namespace std::chrono_literals;

SocketAddress parsed(const std::string& text) {
  return SocketAddress::parse(text).value();
}

bool has_ipv6() {
  return static_cast<bool>(open_tcp(AF_INET6));
}

int option(const Fd& fd, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  REQUIRE(getsockopt(fd.get(), SOL_SOCKET, name, &value, &size) == 0);
  return value;
}

// What another process that came first would have, without or with SO_REUSEPORT.
struct Other {
  bool reuse_port = false;
  bool listens = true;

  Fd open(const SocketAddress& address) const {
    Fd fd(::socket(address.ip().family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    REQUIRE(setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    if (reuse_port) REQUIRE(setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0);
    sockaddr_storage storage{};
    const socklen_t size = address.to_sockaddr(storage);
    REQUIRE(bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), size) == 0);
    if (listens) REQUIRE(listen(fd.get(), 1) == 0);
    return fd;
  }
};

void check_in_use(const SocketAddress& address) {
  try {
    listen_tcp(address);
    FAIL("listened");
  } catch (const std::system_error& error) {
    CHECK(error.code().value() == EADDRINUSE);
    CHECK(std::string(error.what()) ==
          "cannot listen on " + address.to_string() + ": Address already in use");
  }
}

TEST_CASE("a listener listens, does not block, and joins its process's others") {
  const Fd fd = listen_tcp(parsed("127.0.0.1:0"));
  REQUIRE(fd);
  const SocketAddress address = SocketAddress::local_of(fd.get());
  CHECK(address.port() != 0);
  CHECK(option(fd, SO_ACCEPTCONN) == 1);
  CHECK(option(fd, SO_REUSEPORT) == 1);
  CHECK((fcntl(fd.get(), F_GETFL) & O_NONBLOCK) != 0);
  CHECK((fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
  const Fd second = listen_tcp_beside(address);
  const Fd third = listen_tcp_beside(address);
  CHECK(SocketAddress::local_of(second.get()) == address);
  CHECK(option(third, SO_ACCEPTCONN) == 1);
}

TEST_CASE("an address that is not on this host can be listened on") {
  SUBCASE("IPv4") {
    const Fd fd = listen_tcp(parsed("192.0.2.1:0"));
    const SocketAddress address = SocketAddress::local_of(fd.get());
    CHECK(address.ip().to_string() == "192.0.2.1");
    CHECK(option(fd, SO_ACCEPTCONN) == 1);
    CHECK(listen_tcp_beside(address));
    check_in_use(address);
  }
  SUBCASE("IPv6") {
    if (!has_ipv6()) {
      MESSAGE("no IPv6 here");
      return;
    }
    const Fd fd = listen_tcp(parsed("[2001:db8::1]:0"));
    const SocketAddress address = SocketAddress::local_of(fd.get());
    CHECK(address.ip().to_string() == "2001:db8::1");
    CHECK(option(fd, SO_ACCEPTCONN) == 1);
    CHECK(listen_tcp_beside(address));
    check_in_use(address);
  }
}

TEST_CASE("a port that somebody else listens on is an error that names the address") {
  for (const std::string address : {"127.0.0.1:0", "[::1]:0"}) {
    CAPTURE(address);
    if (address.front() == '[' && !is_local_address(parsed(address).ip())) continue;
    for (const bool reuse_port : {false, true}) {
      CAPTURE(reuse_port);
      const Fd other = Other{.reuse_port = reuse_port}.open(parsed(address));
      check_in_use(SocketAddress::local_of(other.get()));
    }
  }
}

TEST_CASE("a port that somebody else listens on at every address is in use at each") {
  for (const bool reuse_port : {false, true}) {
    CAPTURE(reuse_port);
    const Fd other = Other{.reuse_port = reuse_port}.open(parsed("0.0.0.0:0"));
    const std::string port = std::to_string(SocketAddress::local_of(other.get()).port());
    check_in_use(parsed("127.0.0.1:" + port));
    check_in_use(parsed("0.0.0.0:" + port));
  }
}

TEST_CASE("beside somebody who does not share it is no place: an error that names the address") {
  const Fd other = Other{.reuse_port = false}.open(parsed("127.0.0.1:0"));
  const SocketAddress address = SocketAddress::local_of(other.get());
  CHECK_THROWS_WITH_AS(listen_tcp_beside(address),
                       ("cannot listen on " + address.to_string() + ": Address already in use").c_str(),
                       std::system_error);
}

TEST_CASE("a port whose last listener has gone is free again, with a session of its left over") {
  Fd listener = listen_tcp(parsed("127.0.0.1:0"));
  const SocketAddress address = SocketAddress::local_of(listener.get());
  const Fd client = open_tcp(AF_INET);
  start_connect(client.get(), address);
  SocketAddress peer;
  const Fd served = accept_from(listener.get(), peer);
  REQUIRE(served);
  listener.reset();
  CHECK(listen_tcp(address));
}

TEST_CASE("every address and one address of the same port and the other family are two listeners") {
  if (!has_ipv6()) return;
  const Fd six = listen_tcp(parsed("[::]:0"));
  const std::string port = std::to_string(SocketAddress::local_of(six.get()).port());
  CHECK(listen_tcp(parsed("0.0.0.0:" + port)));
}

TEST_CASE("which addresses this host has") {
  const auto is_local = [](const std::string& text) {
    return is_local_address(IpAddress::parse(text).value());
  };
  CHECK(is_local("127.0.0.1"));
  CHECK(is_local("127.4.5.6"));
  CHECK(is_local("0.0.0.0"));
  CHECK(is_local("::"));
  CHECK_FALSE(is_local("203.0.113.1"));
  CHECK_FALSE(is_local("2001:db8::1"));
}

// A folder that goes with it.
class Folder {
 public:
  Folder() {
    std::string path = std::filesystem::temp_directory_path() / "vipward-socket-XXXXXX";
    REQUIRE(mkdtemp(path.data()) != nullptr);
    path_ = path;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Rights {
  mode_t mode = 0;
  gid_t group = 0;
  bool operator==(const Rights&) const = default;
};
Rights rights_of(const std::string& path) {
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return {.mode = status.st_mode & 07777, .group = status.st_gid};
}

// Of the calling thread alone (capset(2)).
void drop_capability(int capability) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  REQUIRE(syscall(SYS_capget, &header, sets.data()) == 0);
  sets[CAP_TO_INDEX(capability)].effective &= ~CAP_TO_MASK(capability);
  REQUIRE(syscall(SYS_capset, &header, sets.data()) == 0);
}

TEST_CASE("a unix socket has exactly the mode that is asked for, whatever the umask") {
  const Folder folder;
  const std::string path = folder.path() + "/control.sock";
  const mode_t before = umask(0);
  for (const mode_t mask : {mode_t{0}, mode_t{077}}) {
    CAPTURE(mask);
    umask(mask);
    for (const mode_t mode : {mode_t{0600}, mode_t{0660}, mode_t{0666}}) {
      const Fd listener = listen_unix(path, {.mode = mode, .group = std::nullopt});
      CHECK(rights_of(path) == Rights{.mode = mode, .group = getegid()});
    }
  }
  umask(before);
}

TEST_CASE("a unix socket has the group that is asked for; whoever may take groups needs no CAP_CHOWN") {
  if (geteuid() != 0) {
    MESSAGE("only root has other groups");
    return;
  }
  constexpr gid_t kGroup = 65534;
  const Folder folder;
  const std::string path = folder.path() + "/control.sock";
  const Rights expected{.mode = 0660, .group = kGroup};
  const auto listen_without = [&](int capability) {
    Fd listener;
    std::thread([&] {
      drop_capability(capability);
      listener = listen_unix(path, {.mode = 0660, .group = kGroup});
      // What is made later is not of that group.
      CHECK(setfsgid(static_cast<gid_t>(-1)) == static_cast<int>(getegid()));
    }).join();
    CHECK(is_listening(listener.get()));
    return rights_of(path);
  };
  CHECK(listen_without(CAP_CHOWN) == expected);
  CHECK(listen_without(CAP_SETGID) == expected);
  // The folder's group counts for what is made in it (inode(7), the set-group-ID bit): then it is changed.
  REQUIRE(chmod(folder.path().c_str(), 02755) == 0);
  CHECK(listen_without(CAP_SETGID) == expected);
}

TEST_CASE("staggered keepalives are up to a quarter sooner, never later, and differ from one to the next") {
  const Keepalive keepalive{.idle = 10s, .interval = 5s, .count = 3};
  std::set<std::pair<int, int>> all;
  for (unsigned turn = 0; turn < 100; ++turn) {
    const Keepalive one = staggered(keepalive, turn);
    CHECK(one.idle <= 10s);
    CHECK(one.idle >= 8s);
    CHECK(one.interval <= 5s);
    CHECK(one.interval >= 4s);
    CHECK(one.count == 3);
    all.emplace(one.idle.count(), one.interval.count());
  }
  CHECK(all.size() == 6);
  CHECK(staggered({.idle = 1s, .interval = 1s, .count = 1}, 77).idle == 1s);
  CHECK(staggered({.idle = 1s, .interval = 1s, .count = 1}, 77).interval == 1s);
}

TEST_CASE("faults of this host's are told from faults of a backend's") {
  for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
    CHECK(is_shortage(error));
    CHECK(is_local_failure(error));
  }
  for (const int error : {EADDRNOTAVAIL, EAFNOSUPPORT, ENOSPC, EPERM}) {
    CHECK_FALSE(is_shortage(error));
    CHECK(is_local_failure(error));
  }
  for (const int error : {ECONNREFUSED, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH}) {
    CHECK_FALSE(is_shortage(error));
    CHECK_FALSE(is_local_failure(error));
  }
}

}  // namespace
}  // namespace vipward
