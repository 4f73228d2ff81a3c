#include "tests/component/support/faulty_relay.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "lb/net/socket.h"

namespace vipward::test {
namespace {

void make_blocking(int fd) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

}  // namespace

FaultyRelay::FaultyRelay(const SocketAddress& backend, std::optional<RelayFault> fault)
    : backend_(backend), fault_(fault), listener_(listen_tcp(*SocketAddress::parse("127.0.0.1:0"))) {
  thread_ = std::thread([this] { run(); });
}

FaultyRelay::~FaultyRelay() {
  stopping_ = true;
  thread_.join();
}

void FaultyRelay::run() {
  std::vector<pollfd> watched;
  std::vector<std::pair<Connection*, Direction*>> directions;
  while (!stopping_) {
    watched.assign(1, {listener_.get(), POLLIN, 0});
    directions.clear();
    const auto now = std::chrono::steady_clock::now();
    for (const auto& connection : connections_) {
      for (Direction& direction : connection->directions) {
        if (direction.from < 0 || direction.not_before > now) continue;
        watched.push_back({direction.from, POLLIN, 0});
        directions.emplace_back(connection.get(), &direction);
      }
    }
    constexpr int kLookAgain = 5;
    if (poll(watched.data(), watched.size(), kLookAgain) <= 0) continue;
    for (std::size_t i = 0; i < directions.size(); ++i) {
      if (watched[i + 1].revents != 0) pass_on(*directions[i].first, *directions[i].second);
    }
    if (watched[0].revents != 0) accept_one();
  }
}

void FaultyRelay::accept_one() {
  SocketAddress peer;
  Fd client = accept_from(listener_.get(), peer);
  if (!client) return;
  Fd backend = open_tcp(backend_.ip().family());
  make_blocking(client.get());
  make_blocking(backend.get());
  if (start_connect(backend.get(), backend_) != 0) return;
  set_orderly_close(client.get());
  set_orderly_close(backend.get());
  auto connection = std::make_unique<Connection>();
  connection->number = accepted_++;
  connection->directions[0] = {.from = client.get(), .to = backend.get(), .to_backend = true};
  connection->directions[1] = {.from = backend.get(), .to = client.get()};
  connection->client = std::move(client);
  connection->backend = std::move(backend);
  connections_.push_back(std::move(connection));
}

// Sends block: both ends of a Crowd read whatever else they do.
void FaultyRelay::pass_on(Connection& connection, Direction& direction) {
  if (direction.from < 0) return;
  std::vector<char> bytes(65536);
  const ssize_t size = recv(direction.from, bytes.data(), bytes.size(), 0);
  if (size <= 0) {
    shutdown(direction.to, SHUT_WR);
    direction.from = -1;
    return;
  }
  bytes.resize(static_cast<std::size_t>(size));
  const auto begin = direction.passed;
  const auto end = begin + bytes.size();
  const bool is_here = fault_ && fault_->connection == connection.number &&
                       fault_->to_backend == direction.to_backend && fault_->at_byte >= begin &&
                       fault_->at_byte < end;
  if (is_here) spoil(connection, direction, bytes);
  direction.passed = end;
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t count = send(direction.to, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return;
    sent += static_cast<std::size_t>(count);
  }
}

void FaultyRelay::spoil(Connection& connection, Direction& direction, std::vector<char>& bytes) {
  const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(fault_->at_byte - direction.passed);
  using Kind = RelayFault::Kind;
  switch (fault_->kind) {
    case Kind::Drop:
      bytes.erase(at);
      break;
    case Kind::Double:
      bytes.insert(at, *at);
      break;
    case Kind::Swap:
      // With the one before, or, if the piece begins here, the one behind: more than one byte comes at a
      // time.
      if (bytes.size() > 1) std::swap(*at, at != bytes.begin() ? *(at - 1) : *(at + 1));
      break;
    case Kind::Stall:
      direction.not_before = std::chrono::steady_clock::now() + fault_->pause;
      break;
    case Kind::Hang:
      direction.from = -1;
      break;
    case Kind::Reset:
    case Kind::Close:
      bytes.clear();
      for (Fd* fd : {&connection.client, &connection.backend}) {
        if (fault_->kind == Kind::Reset) {
          set_reset_on_close(fd->get());
          fd->reset();
        } else {
          shutdown(fd->get(), SHUT_WR);
        }
      }
      for (Direction& each : connection.directions) each.from = -1;
      break;
  }
  if (fault_->kind == Kind::Hang) bytes.clear();
  has_failed_ = true;
}

}  // namespace vipward::test
