// The listeners: how many there are, that the VIP's can be refused and served again without touching the
// others, and that what happens to them from outside is found.
#include "lb/guardian/listener_set.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <system_error>

#include "lb/channel/messages.h"
#include "lb/net/socket.h"
#include "tests/component/app/captured_log.h"
#include "tests/component/app/reserved_port.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

ListenConfig at(const SocketAddress& address) {
  return {.address = address, .port = address.port()};
}

// One service on a VIP, which is this host's own loopback, on another address of it, and on all.
struct Rig {
  Rig() {
    VipConfig vip;
    vip.addresses = {*Cidr::parse("127.0.0.2/32")};
    config.vip = vip;
    ServiceConfig service;
    service.name = "api";
    service.listen = {at(on_vip.address()), at(beside.address())};
    config.services.push_back(service);
    service.name = "wide";
    service.listen = {at(everywhere.address())};
    config.services.push_back(service);
    config.admin.listen = {admin.address()};
  }

  const ReservedPort on_vip{"127.0.0.2"};
  const ReservedPort beside{"127.0.0.1"};
  const ReservedPort everywhere{"0.0.0.0"};
  const ReservedPort admin{"127.0.0.1"};
  Config config;
  CapturedLog log;
};

// A client's connection; the kernel completes it without anybody accepting.
class Client {
 public:
  explicit Client(const SocketAddress& address) : socket_(open_tcp(AF_INET)) {
    error_ = start_connect(socket_.get(), address);
    pollfd ready{.fd = socket_.get(), .events = POLLOUT, .revents = 0};
    if (error_ == EINPROGRESS) error_ = poll(&ready, 1, 20'000) == 1 ? take_error(socket_.get()) : ETIMEDOUT;
  }
  // 0: it is connected.
  int error() const { return error_; }
  bool is_untouched() const {
    char byte = 0;
    return recv(socket_.get(), &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
  }
  bool is_reset() const {
    pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    char byte = 0;
    return poll(&ready, 1, 20'000) == 1 && recv(socket_.get(), &byte, 1, MSG_DONTWAIT) < 0 &&
           errno == ECONNRESET;
  }
  SocketAddress local() const { return SocketAddress::local_of(socket_.get()); }

 private:
  Fd socket_;
  int error_ = 0;
};

// Whether `client` waits in one of these.
bool is_accepted_from(const std::vector<Fd>& sockets, const Client& client) {
  return std::ranges::any_of(sockets, [&](const Fd& socket) {
    SocketAddress peer;
    const Fd accepted = accept_from(socket.get(), peer);
    return accepted && peer == client.local();
  });
}

SocketAddress with_port(const std::string& ip, const ReservedPort& port) {
  return {*IpAddress::parse(ip), port.address().port()};
}

TEST_CASE("every address of a service has its eight sockets, an admin address has one") {
  Rig rig;
  const ListenerSet listeners(rig.config, rig.log.log());
  REQUIRE(listeners.services().size() == 3);
  const SocketAddress expected[] = {rig.on_vip.address(), rig.beside.address(), rig.everywhere.address()};
  for (std::size_t i = 0; i < 3; ++i) {
    CAPTURE(i);
    const ListenerSet::Group& group = listeners.services()[i];
    CHECK(group.address == expected[i]);
    CHECK(group.service == (i < 2 ? 0 : 1));
    CHECK(group.address_index == (i == 1 ? 1 : 0));
    CHECK(group.on_vip == (i == 0));
    REQUIRE(group.sockets.size() == channel::kListenersPerAddress);
    for (const Fd& socket : group.sockets) {
      CHECK(is_listening(socket.get()));
      CHECK(SocketAddress::local_of(socket.get()) == expected[i]);
    }
  }
  REQUIRE(listeners.admin().size() == 1);
  CHECK(SocketAddress::local_of(listeners.admin().front().socket.get()) == rig.admin.address());
  CHECK(rig.log.wait_for("listening service=admin address=" + rig.admin.text()));
  CHECK(rig.log.count("listening service=api address=" + rig.on_vip.text()) == 1);
}

TEST_CASE("an address in use is an error that names it") {
  Rig rig;
  const Fd other = rig.beside.listen();
  CHECK_THROWS_WITH(ListenerSet(rig.config, rig.log.log()),
                    ("cannot listen on " + rig.beside.text() + ": Address already in use").c_str());
}

TEST_CASE(
    "refusing on the VIPs resets who waits there and refuses who comes, until they are listened on again") {
  Rig rig;
  ListenerSet listeners(rig.config, rig.log.log());
  std::vector<Client> queued;
  // Enough that they are spread over several sockets.
  for (int i = 0; i < 32; ++i) queued.emplace_back(rig.on_vip.address());
  const Client beside(rig.beside.address());
  const Client everywhere(with_port("127.0.0.2", rig.everywhere));
  listeners.refuse_on_vips();
  for (const Client& client : queued) {
    CHECK(client.error() == 0);
    CHECK(client.is_reset());
  }
  for (int i = 0; i < 16; ++i) CHECK(Client(rig.on_vip.address()).error() == ECONNREFUSED);
  CHECK(beside.is_untouched());
  CHECK(everywhere.is_untouched());
  CHECK(Client(rig.beside.address()).error() == 0);
  CHECK(Client(with_port("127.0.0.2", rig.everywhere)).error() == 0);

  listeners.listen_again();
  for (int i = 0; i < 16; ++i) {
    const Client client(rig.on_vip.address());
    CHECK(client.error() == 0);
    CHECK(is_accepted_from(listeners.services()[0].sockets, client));
  }
  CHECK(beside.is_untouched());
  CHECK(everywhere.is_untouched());
  CHECK(listeners.check());
  CHECK(rig.log.count("closed from outside") == 0);
}

TEST_CASE("closing all refuses on every address of a service") {
  Rig rig;
  ListenerSet listeners(rig.config, rig.log.log());
  const Client queued(rig.beside.address());
  listeners.close_all();
  CHECK(queued.is_reset());
  for (const ReservedPort* port : {&rig.on_vip, &rig.beside}) {
    CHECK(Client(port->address()).error() == ECONNREFUSED);
  }
  CHECK(Client(with_port("127.0.0.1", rig.everywhere)).error() == ECONNREFUSED);
}

TEST_CASE("a listener that is closed from outside listens again after the next look, and the log says so") {
  Rig rig;
  ListenerSet listeners(rig.config, rig.log.log());
  CHECK(listeners.check());
  const ListenerSet::Group& group = listeners.services()[1];
  for (const Fd& socket : group.sockets) shutdown(duplicate_of(socket.get()).get(), SHUT_RDWR);
  REQUIRE(Client(group.address).error() == ECONNREFUSED);
  CHECK(listeners.check());
  CHECK(listeners.lost().empty());
  const Client client(group.address);
  CHECK(client.error() == 0);
  CHECK(is_accepted_from(group.sockets, client));
  CHECK(listeners.check());
  CHECK(rig.log.wait_for("warn  a listener had been closed from outside, it listens again address=" +
                         rig.beside.text()));
  CHECK(rig.log.count("closed from outside") == 1);
}

TEST_CASE("a listener that cannot be repaired is named, and said once") {
  Rig rig;
  ListenerSet listeners(rig.config, rig.log.log());
  const Fd& socket = listeners.services()[0].sockets[3];
  const Fd before = socket.duplicate();
  // What cannot listen stands in for it.
  const Fd datagrams(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  REQUIRE(dup3(datagrams.get(), socket.get(), O_CLOEXEC) == socket.get());
  CHECK_FALSE(listeners.check());
  CHECK_FALSE(listeners.check());
  CHECK(listeners.lost() == rig.on_vip.text());
  CHECK(rig.log.wait_for("error a listener is lost, its clients are refused address=" + rig.on_vip.text()));

  REQUIRE(dup3(before.get(), socket.get(), O_CLOEXEC) == socket.get());
  CHECK(listeners.check());
  CHECK(listeners.lost().empty());
  CHECK(rig.log.count("a listener is lost") == 1);
}

TEST_CASE("a set made from another one goes on with its sockets, and a client that waits is not lost") {
  Rig rig;
  std::optional<ListenerSet> before(std::in_place, rig.config, rig.log.log());
  const Client waiting(rig.beside.address());
  REQUIRE(waiting.error() == 0);
  const ListenerSet after(rig.config, rig.log.log(), before->copies());
  before.reset();
  REQUIRE(after.services().size() == 3);
  CHECK(is_accepted_from(after.services()[1].sockets, waiting));
  CHECK(after.admin().size() == 1);
}

TEST_CASE("an address that is new is opened, one that has gone is closed, and the others stay") {
  Rig rig;
  std::optional<ListenerSet> before(std::in_place, rig.config, rig.log.log());
  const ReservedPort added{"127.0.0.1"};
  Config config = rig.config;
  config.services[0].listen = {at(rig.on_vip.address()), at(added.address())};
  std::optional<ListenerSet> after(std::in_place, config, rig.log.log(), before->copies());
  before.reset();
  CHECK(after->listen().empty());
  CHECK(Client(added.address()).error() == 0);
  CHECK(Client(rig.on_vip.address()).error() == 0);
  CHECK(Client(rig.beside.address()).error() == ECONNREFUSED);
  CHECK(Client(with_port("127.0.0.1", rig.everywhere)).error() == 0);
}

TEST_CASE("a set that cannot be made leaves the other one as it was") {
  Rig rig;
  const ListenerSet before(rig.config, rig.log.log());
  const ReservedPort taken{"127.0.0.1"};
  const Fd other = listen_tcp(taken.address());
  Config config = rig.config;
  config.services[0].listen.push_back(at(taken.address()));
  CHECK_THROWS_WITH_AS(
      ListenerSet(config, rig.log.log(), before.copies()),
      ("cannot listen on " + taken.address().to_string() + ": Address already in use").c_str(),
      std::system_error);
  CHECK(Client(rig.beside.address()).error() == 0);
}

// The kernel prefers the listener of that very address: until somebody accepts there it must not have one.
TEST_CASE("an address that overlaps one of our own gets no client before it is listened on") {
  Rig rig;
  const ListenerSet before(rig.config, rig.log.log());
  Config config = rig.config;
  const SocketAddress exact = with_port("127.0.0.3", rig.everywhere);
  config.services[1].listen = {at(exact)};
  std::optional<ListenerSet> after(std::in_place, config, rig.log.log(), before.copies());
  const Client early(exact);
  CHECK(early.error() == 0);
  CHECK_FALSE(is_accepted_from(after->services()[2].sockets, early));
  CHECK(is_accepted_from(before.services()[2].sockets, early));
  CHECK(rig.log.count("listening service=wide address=" + exact.to_string()) == 0);
  SUBCASE("and then all of them") {
    CHECK(after->listen().empty());
    const Client late(exact);
    CHECK(is_accepted_from(after->services()[2].sockets, late));
    CHECK(rig.log.wait_for("listening service=wide address=" + exact.to_string()));
    CHECK(after->check());
    CHECK(rig.log.count("closed from outside") == 0);
  }
  SUBCASE("and none is lost with the set") {
    const Client waiting(exact);
    after.reset();
    CHECK(is_accepted_from(before.services()[2].sockets, waiting));
  }
}

TEST_CASE("a new address is refused until it is listened on, admin's as well") {
  Rig rig;
  const ListenerSet before(rig.config, rig.log.log());
  const ReservedPort added{"127.0.0.1"};
  const ReservedPort admin{"127.0.0.1"};
  Config config = rig.config;
  config.services[0].listen = {at(added.address())};
  config.admin.listen = {admin.address()};
  ListenerSet after(config, rig.log.log(), before.copies());
  for (const ReservedPort* port : {&added, &admin}) CHECK(Client(port->address()).error() == ECONNREFUSED);
  CHECK(after.listen().empty());
  for (const ReservedPort* port : {&added, &admin}) CHECK(Client(port->address()).error() == 0);
}

TEST_CASE("a port that another process took after it was bound is named, and the others are listened on") {
  Rig rig;
  const ListenerSet before(rig.config, rig.log.log());
  const ReservedPort taken{"127.0.0.1"};
  const ReservedPort added{"127.0.0.1"};
  Config config = rig.config;
  config.services[0].listen = {at(taken.address()), at(added.address())};
  ListenerSet after(config, rig.log.log(), before.copies());
  const Fd other = taken.listen();
  CHECK(after.listen() == "cannot listen on " + taken.text() + ": Address already in use");
  CHECK(Client(added.address()).error() == 0);
  CHECK_FALSE(after.check());
  CHECK(after.lost() == taken.text());
}

TEST_CASE("what is refused on the VIPs stays refused in a set made from it, until it is listened on again") {
  Rig rig;
  std::optional<ListenerSet> before(std::in_place, rig.config, rig.log.log());
  before->refuse_on_vips();
  REQUIRE(before->is_refusing_on_vips());
  const ReservedPort added{"127.0.0.2"};
  Config config = rig.config;
  config.services[0].listen.push_back(at(added.address()));
  ListenerSet after(config, rig.log.log(), before->copies());
  before.reset();
  after.refuse_on_vips();
  CHECK(after.listen().empty());
  CHECK(after.check());
  for (const ReservedPort* port : {&rig.on_vip, &added})
    CHECK(Client(port->address()).error() == ECONNREFUSED);
  CHECK(Client(rig.beside.address()).error() == 0);

  after.listen_again();
  for (const ReservedPort* port : {&rig.on_vip, &added}) {
    const Client client(port->address());
    CHECK(client.error() == 0);
    // A shutdown of what does not listen would be inherited by what it accepts.
    bool writes = false;
    for (const ListenerSet::Group& group : after.services()) {
      for (const Fd& socket : group.sockets) {
        SocketAddress peer;
        const Fd accepted = accept_from(socket.get(), peer);
        if (accepted && peer == client.local()) writes = send(accepted.get(), "x", 1, MSG_NOSIGNAL) == 1;
      }
    }
    CHECK(writes);
  }
}

}  // namespace
}  // namespace vipward::test
