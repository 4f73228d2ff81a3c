// What a session keeps of its own on its way, and what it leaves behind where it has been.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "lb/net/socket.h"
#include "tests/component/handover/link_end.h"
#include "tests/component/handover/side.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

TEST_CASE("shorter limits of the next configuration are for new sessions") {
  Listeners listeners;
  Backend backend;
  ServiceConfig before = service_of({backend.address()});
  ServiceConfig after = before;
  after.first_data_timeout = 200ms;
  after.idle_timeout = 200ms;
  after.half_close_timeout = 200ms;
  Side first(before);
  Side second(after);
  first.serve(listeners);
  Ends idle = open_session(listeners, backend);
  Ends half_closed = open_session(listeners, backend);
  half_closed.client.finish();
  REQUIRE(half_closed.backend.wait_end() == End::Eof);
  Peer silent = listeners.connect();
  REQUIRE(wait_until([&] { return first.sessions() == 3; }, kPatience));
  hand_over(first, second, listeners);
  Ends fresh = open_session(listeners, backend);
  CHECK(fresh.client.wait_end() == End::Reset);
  CHECK(second.closed(EndReason::IdleTimeout) == 1);
  // Older than that one they all are.
  CHECK(second.closed() == 1);
  CHECK(works(idle));
  REQUIRE(half_closed.backend.send("late answer"));
  CHECK(half_closed.client.receive(11) == "late answer");
  REQUIRE(silent.send("x"));
  CHECK(backend.accept().receive(1) == "x");
}

TEST_CASE("a listener loses the user timeout of an earlier configuration") {
  const Listeners listeners;
  const Backend backend;
  const channel::ServiceListeners shared = listeners.copies();
  for (const Fd& listener : shared.sockets) set_user_timeout(listener.get(), 20s);
  Side side(service_of({backend.address()}));
  side.serve(listeners);
  const auto has_none = [](const Fd& listener) {
    unsigned timeout = 1;
    socklen_t size = sizeof timeout;
    return getsockopt(listener.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, &size) == 0 && timeout == 0;
  };
  CHECK(wait_until([&] { return std::ranges::all_of(shared.sockets, has_none); }, kPatience));
}

// Another descriptor of the socket in this process with these ends, as a predecessor may have it for a while.
Fd copy_of_socket_between(const SocketAddress& local, const SocketAddress& remote) {
  for (int fd = 0; fd < 1024; ++fd) {
    if (SocketAddress::peer_of(fd) == remote && SocketAddress::local_of(fd) == local)
      return Fd(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  }
  return Fd();
}

// By an epoll of this process, whatever descriptor it was added with (proc(5), fdinfo).
bool is_watched(const Fd& socket) {
  struct stat status {};
  REQUIRE(fstat(socket.get(), &status) == 0);
  std::ostringstream inode;
  inode << "ino:" << std::hex << status.st_ino << ' ';
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("tfd:") && line.find(inode.str()) != std::string::npos) return true;
    }
  }
  return false;
}

TEST_CASE("a session that ends while its predecessor still holds copies leaves no socket in epoll") {
  Listeners listeners;
  Backend backend;
  Side first(service_of({backend.address()}));
  Side second(service_of({backend.address()}));
  first.serve(listeners);
  Ends ends = open_session(listeners, backend);
  const Fd client = copy_of_socket_between(listeners.address(), ends.client.local());
  const Fd backend_side = copy_of_socket_between(ends.backend.remote(), backend.address());
  REQUIRE(client);
  REQUIRE(backend_side);
  CHECK(is_watched(client));
  hand_over(first, second, listeners);
  CHECK(is_watched(client));
  CHECK(is_watched(backend_side));
  ends.client.reset();
  REQUIRE(wait_until([&] { return second.closed() == 1; }, kPatience));
  CHECK_FALSE(is_watched(client));
  CHECK_FALSE(is_watched(backend_side));
  // What still happens to them is nobody's event.
  ends.backend.send("x");
  ends.backend.finish();
  Ends next = open_session(listeners, backend);
  CHECK(works(next));
}

TEST_CASE("sessions that are still to come count as there, for who may come in") {
  Listeners listeners;
  Backend backend;
  Side first(service_of({backend.address()}));
  Side second(service_of({backend.address()}), 1, 3);
  first.serve(listeners);
  std::vector<Ends> sessions = open_sessions(listeners, backend, 3);
  Link to_second;
  Link from_first;
  // Between the two, holding back what the first one says.
  second.take_over(std::move(to_second.successor), listeners);
  first.hand_over(std::move(from_first.predecessor));
  LinkEnd hears(std::move(from_first.successor));
  LinkEnd says(std::move(to_second.predecessor));
  for (bool is_known = false; !is_known;) {
    const auto message = hears.hear_predecessor();
    REQUIRE(message);
    REQUIRE(says.say(*message));
    is_known = std::holds_alternative<handover::Known>(*message);
  }
  Peer refused = listeners.connect();
  CHECK(refused.wait_end() == End::Reset);
  says.go();
  REQUIRE(second.wait_inherited());
  Ends next = open_session(listeners, backend);
  CHECK(works(next));
}

}  // namespace
}  // namespace vipward::test
