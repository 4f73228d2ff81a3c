#include "tests/system/answerer.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "lb/net/socket.h"

namespace vipward::test {
namespace {

void watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
}

}  // namespace

Answerer::Answerer(const Host& host, std::uint16_t port)
    : listener_(host.call([&] { return listen_tcp(host.address(port)); })),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  watch(epoll_.get(), listener_.get());
  thread_ = std::thread([this] { run(); });
}

Answerer::~Answerer() {
  stopping_ = true;
  thread_.join();
}

void Answerer::run() {
  std::array<epoll_event, 64> events;
  while (!stopping_) {
    constexpr int kLookForStop = 50;
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), kLookForStop);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener_.get()) {
        accept_all();
      } else {
        serve(fd);
      }
    }
  }
}

void Answerer::accept_all() {
  for (;;) {
    SocketAddress peer;
    Fd socket = accept_from(listener_.get(), peer);
    if (!socket) return;
    const int fd = socket.get();
    watch(epoll_.get(), fd);
    connections_[fd] = {std::move(socket), peer.ip().to_string() + "\n"};
  }
}

void Answerer::serve(int fd) {
  const auto connection = connections_.find(fd);
  if (connection == connections_.end()) return;
  std::array<char, 4096> bytes;
  const ssize_t size = recv(fd, bytes.data(), bytes.size(), 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  const std::string& answer = connection->second.answer;
  if (size <= 0 || send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) connections_.erase(connection);
}

}  // namespace vipward::test
