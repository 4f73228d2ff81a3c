#include "tests/component/proxy/peer.h"

#include <linux/filter.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <random>
#include <system_error>

#include "lb/net/socket.h"

namespace vipward::test {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

Fd blocking_socket(int family) {
  Fd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) fail("socket");
  return fd;
}

void set_patience(int fd) {
  const timeval limit{.tv_sec = kPatience.count() / 1000, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Fd bound_to(std::string_view text) {
  const SocketAddress address = SocketAddress::parse(text).value();
  Fd fd = blocking_socket(address.ip().family());
  sockaddr_storage storage{};
  const socklen_t size = address.to_sockaddr(storage);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0) fail("bind");
  return fd;
}

bool waits_readable(int fd, std::chrono::milliseconds limit) {
  pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&entry, 1, static_cast<int>(limit.count())) > 0;
}

// A classic BPF program that drops every segment before TCP sees it (socket(7), SO_ATTACH_FILTER).
void drop_all(int fd) {
  sock_filter drop{.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = 0};
  const sock_fprog program{.len = 1, .filter = &drop};
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) fail("SO_ATTACH_FILTER");
}

}  // namespace

Peer::Peer(Fd socket) : socket_(std::move(socket)) {
  if (socket_) set_patience(socket_.get());
}

Peer Peer::connect_to(const SocketAddress& address, int receive_buffer_bytes) {
  Peer peer(blocking_socket(address.ip().family()));
  if (receive_buffer_bytes > 0) {
    setsockopt(peer.fd(), SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
  }
  sockaddr_storage storage{};
  const socklen_t size = address.to_sockaddr(storage);
  if (::connect(peer.fd(), reinterpret_cast<sockaddr*>(&storage), size) != 0) {
    if (errno != ECONNREFUSED && errno != ECONNRESET) fail("connect");
    peer.was_reset_ = true;
  }
  return peer;
}

bool Peer::send(std::string_view data) {
  while (!data.empty()) {
    const std::size_t sent = send_some(data);
    if (sent == 0) return false;
    data.remove_prefix(sent);
  }
  return true;
}

std::size_t Peer::send_some(std::string_view data) {
  const ssize_t sent = ::send(fd(), data.data(), data.size(), MSG_NOSIGNAL);
  if (sent < 0 && (errno == ECONNRESET || errno == EPIPE)) was_reset_ = true;
  return sent < 0 ? 0 : static_cast<std::size_t>(sent);
}

std::string Peer::receive(std::size_t size) {
  std::string result(size, '\0');
  std::size_t filled = 0;
  while (filled < size) {
    const ssize_t received = ::recv(fd(), result.data() + filled, size - filled, 0);
    if (received <= 0) break;
    filled += static_cast<std::size_t>(received);
  }
  result.resize(filled);
  return result;
}

bool Peer::echoes(std::string_view text) {
  return send(text) && receive(text.size()) == text;
}

End Peer::wait_end() {
  if (was_reset_) return End::Reset;
  std::array<char, 64 * 1024> sink{};
  for (;;) {
    const ssize_t received = ::recv(fd(), sink.data(), sink.size(), 0);
    if (received == 0) return End::Eof;
    if (received < 0) return errno == ECONNRESET || errno == EPIPE ? End::Reset : End::None;
    drained_bytes_ += static_cast<std::size_t>(received);
  }
}

bool Peer::is_silent() const {
  return !waits_readable(fd(), std::chrono::milliseconds::zero());
}

void Peer::finish() {
  ::shutdown(fd(), SHUT_WR);
}

void Peer::reset() {
  set_reset_on_close(fd());
  socket_.reset();
}

void Peer::go_deaf() {
  drop_all(fd());
}

Backend::Backend(std::string_view address)
    : listener_(bound_to(address)), address_(SocketAddress::local_of(listener_.get())) {
  if (listen(listener_.get(), 4096) != 0) fail("listen");
}

Peer Backend::accept() {
  if (!waits_readable(listener_.get(), kPatience)) return {};
  return Peer(Fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
}

bool Backend::is_called() const {
  return waits_readable(listener_.get(), std::chrono::milliseconds::zero());
}

void Backend::go_deaf() {
  drop_all(listener_.get());
}

void Backend::hear_again() {
  const int unused = 0;
  if (setsockopt(listener_.get(), SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused) != 0)
    fail("SO_DETACH_FILTER");
}

RefusingAddress::RefusingAddress()
    : bound_(bound_to("127.0.0.1:0")), address_(SocketAddress::local_of(bound_.get())) {}

Pattern::Pattern(std::uint32_t seed) {
  // A prime length: no power of two of bytes lost or doubled goes unseen.
  block_.resize(1'000'003);
  std::minstd_rand engine(seed);
  std::generate(block_.begin(), block_.end(), [&] { return static_cast<char>(engine()); });
}

std::string_view Pattern::at(std::uint64_t offset, std::size_t size) const {
  const auto start = static_cast<std::size_t>(offset % block_.size());
  return std::string_view(block_).substr(start, size);
}

std::uint64_t send_pattern(Peer& peer, const Pattern& pattern, std::uint64_t total) {
  std::uint64_t sent = 0;
  while (sent < total) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(256 * 1024, total - sent));
    const std::string_view chunk = pattern.at(sent, size);
    const std::size_t n = peer.send_some(chunk);
    if (n == 0) break;
    sent += n;
  }
  return sent;
}

std::uint64_t receive_pattern(Peer& peer, const Pattern& pattern, std::uint64_t total) {
  std::string buffer(256 * 1024, '\0');
  std::uint64_t right = 0;
  while (right < total) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), total - right));
    const std::string_view expected = pattern.at(right, size);
    const ssize_t n = ::recv(peer.fd(), buffer.data(), expected.size(), 0);
    if (n <= 0) break;
    const auto received = static_cast<std::size_t>(n);
    if (std::string_view(buffer).substr(0, received) != expected.substr(0, received)) break;
    right += received;
  }
  return right;
}

}  // namespace vipward::test
