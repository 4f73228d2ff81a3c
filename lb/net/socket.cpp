#include "lb/net/socket.h"

#include <ifaddrs.h>
#include <netinet/tcp.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace vipward {
namespace {

constexpr int kBacklog = 4096;  // the kernel caps it at net.core.somaxconn

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

template <class T>
bool set_option(int fd, int level, int name, const T& value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    fail(path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

std::string listen_failure(const std::string& where) {
  return "cannot listen on " + where;
}

struct BindOptions {
  bool reuse_port = true;
  bool transparent = false;
};
Fd bound_tcp(const SocketAddress& address, BindOptions options) {
  const std::string what = listen_failure(address.to_string());
  Fd fd(::socket(address.ip().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) fail(what);
  const bool is_v6 = !address.ip().is_v4();
  if (!set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1) ||
      !set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT, options.reuse_port ? 1 : 0) ||
      !set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1) ||
      // IP_FREEBIND serves IPv6 too (net/ipv6/af_inet6.c asks inet_can_nonlocal_bind).
      !set_option(fd.get(), IPPROTO_IP, IP_FREEBIND, 1) ||
      // Serves IPv6 too: it is one flag of the socket (net/ipv6/ipv6_sockglue.c sets the same).
      (options.transparent && !set_option(fd.get(), IPPROTO_IP, IP_TRANSPARENT, 1)) ||
      // "[::]:6443" and "0.0.0.0:6443" are two listeners, as the configuration says.
      (is_v6 && !set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1))) {
    fail(what);
  }
  set_reset_on_close(fd.get());
  sockaddr_storage storage{};
  const socklen_t size = address.to_sockaddr(storage);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0) fail(what);
  return fd;
}

Fd listening(Fd bound) {
  if (!listen_on(bound.get())) fail(listen_failure(SocketAddress::local_of(bound.get()).to_string()));
  return bound;
}

// This thread's new files are of that group (setfsgid(2)): CAP_SETGID is enough, where chown(2) wants
// CAP_CHOWN. A refusal is not told.
class FilesOfGroup {
 public:
  explicit FilesOfGroup(std::optional<gid_t> group) {
    if (group) before_ = static_cast<gid_t>(setfsgid(*group));
  }
  ~FilesOfGroup() {
    if (before_) setfsgid(*before_);
  }
  FilesOfGroup(const FilesOfGroup&) = delete;
  FilesOfGroup& operator=(const FilesOfGroup&) = delete;

 private:
  std::optional<gid_t> before_;
};

// Whether somebody accepts on the socket file `path`.
bool is_answered(const sockaddr_un& address) {
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return false;
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
  return errno == EAGAIN;  // unix(7): the queue of a living listener is full
}

}  // namespace

Fd bind_tcp(const SocketAddress& address, ListenOptions options) {
  // SO_REUSEPORT would join another process's listeners: ask without it first.
  const Fd probe = bound_tcp(address, {.reuse_port = false});
  return bind_tcp_beside(SocketAddress::local_of(probe.get()), options);
}

Fd bind_tcp_beside(const SocketAddress& address, ListenOptions options) {
  return bound_tcp(address, {.reuse_port = true, .transparent = options.transparent});
}

Fd listen_tcp(const SocketAddress& address, ListenOptions options) {
  return listening(bind_tcp(address, options));
}

Fd listen_tcp_beside(const SocketAddress& address, ListenOptions options) {
  return listening(bind_tcp_beside(address, options));
}

bool is_listening(int fd) {
  int listening = 0;
  socklen_t size = sizeof listening;
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

bool listen_on(int fd) {
  return listen(fd, kBacklog) == 0;
}

// Not by binding to it: with net.ipv4.ip_nonlocal_bind, usual beside keepalived, that always works.
bool is_local_address(const IpAddress& address) {
  // All of 127.0.0.0/8 is here through the one address on the loopback interface.
  const bool is_loopback = address.is_v4() && address.bytes()[0] == 127;
  if (address.is_unspecified() || is_loopback) return true;
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) return true;
  bool found = false;
  for (const ifaddrs* entry = first; entry != nullptr && !found; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != address.family()) continue;
    sockaddr_storage storage{};
    std::memcpy(&storage, entry->ifa_addr, address.is_v4() ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    found = IpAddress::from_sockaddr(storage) == address;
  }
  freeifaddrs(first);
  return found;
}

Fd listen_unix(const std::string& path, const UnixSocketRights& rights) {
  const std::string what = listen_failure(path);
  const sockaddr_un address = unix_address(path);
  if (is_answered(address)) {
    errno = EADDRINUSE;
    fail(what);
  }
  // /run is empty after a boot.
  if (const auto slash = path.rfind('/'); slash != std::string::npos && slash > 0) {
    mkdir(path.substr(0, slash).c_str(), 0755);
  }
  struct stat status {};
  if (lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) unlink(path.c_str());
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) fail(what);
  // unix(7), Linux: the file is made with the socket's own mode less the umask; until listen() nobody gets in
  // anyway.
  if (fchmod(fd.get(), 0600) != 0) fail(what);
  {
    const FilesOfGroup group(rights.group);
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail(what);
  }
  // Not everybody may make files of any group, and a set-group-id folder gives its own: who may change it,
  // changes it.
  if (stat(path.c_str(), &status) != 0) fail(what);
  const bool other_group = rights.group && status.st_gid != *rights.group;
  if (other_group && chown(path.c_str(), static_cast<uid_t>(-1), *rights.group) != 0) fail(what);
  if (chmod(path.c_str(), rights.mode) != 0) fail(what);
  if (listen(fd.get(), 64) != 0) fail(what);
  return fd;
}

Fd accept_from(int listener, SocketAddress& peer) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  Fd fd(accept4(listener, reinterpret_cast<sockaddr*>(&storage), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd) peer = SocketAddress::from_sockaddr(storage);
  return fd;
}

Fd open_tcp(int family) {
  Fd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fd;
  set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  set_reset_on_close(fd.get());
  return fd;
}

int start_connect(int fd, const SocketAddress& address) {
  sockaddr_storage storage{};
  const socklen_t size = address.to_sockaddr(storage);
  return connect(fd, reinterpret_cast<const sockaddr*>(&storage), size) == 0 ? 0 : errno;
}

int take_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

bool is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

bool is_local_failure(int error) {
  switch (error) {
    case EADDRNOTAVAIL:  // no local port left
    case EAFNOSUPPORT:   // no IPv6 here
    case ENOSPC:         // fs.epoll.max_user_watches
    case EPERM:          // a packet filter of this host's
      return true;
    default:
      return is_shortage(error);
  }
}

void set_keepalive(int fd, const Keepalive& keepalive) {
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(keepalive.idle.count()));
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, static_cast<int>(keepalive.interval.count()));
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, keepalive.count);
}

Keepalive staggered(const Keepalive& keepalive, unsigned turn) {
  const auto idles = keepalive.idle.count() / 4 + 1;
  const auto intervals = keepalive.interval.count() / 4 + 1;
  Keepalive result = keepalive;
  result.idle -= std::chrono::seconds(turn % idles);
  result.interval -= std::chrono::seconds(turn / idles % intervals);
  return result;
}

void set_user_timeout(int fd, std::chrono::milliseconds timeout) {
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<unsigned>(timeout.count()));
}

void set_reset_on_close(int fd) {
  set_option(fd, SOL_SOCKET, SO_LINGER, linger{.l_onoff = 1, .l_linger = 0});
}

void set_orderly_close(int fd) {
  set_option(fd, SOL_SOCKET, SO_LINGER, linger{.l_onoff = 0, .l_linger = 0});
}

}  // namespace vipward
