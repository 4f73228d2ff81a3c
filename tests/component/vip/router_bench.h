// A VirtualRouter on a host and a peer's socket on another one, in one loop; the router can be replaced as
// the guardian does when it re-executes itself.
#pragma once

#include <optional>
#include <utility>

#include "lb/event/timer.h"
#include "lb/vip/packet.h"
#include "lb/vip/virtual_router.h"
#include "tests/component/app/captured_log.h"
#include "tests/component/vip/vip_bench.h"

namespace vipward::test {

using namespace std::chrono_literals;

struct RouterBench : VipBench {
  RouterBench() {
    config.addresses = {Cidr{vip, 24}};
    config.peers = {holder.address(), peer.address()};
    config.virtual_router_id = 100;
    config.advertise_interval = 100ms;
    config.startup_delay = 0ms;
    config.address_lifetime = 5s;
    const auto links = make_inside<LinkWatch>(peer);
    REQUIRE(ear->attach("eth0", links->table().find("eth0")->index) == std::nullopt);
  }

  void make_router(std::optional<VirtualRouter::Inherited> inherited = std::nullopt) {
    router = make_inside<VirtualRouter>(
        holder, loop, log.log(), config, folder.file("state"),
        VirtualRouter::Hooks{.on_taking = [] {},
                             .on_giving_up = [] {},
                             .on_given_up = [this](bool) { ++given_up; },
                             .on_unconfigured = [this](const auto& gone) { unconfigured = gone; },
                             .on_change = [this] { ++changes; }},
        std::move(inherited));
  }
  // Started, alone, and active.
  void become_active() {
    make_router();
    router->set_candidacy(Candidacy::Full, "");
    router->start();
    REQUIRE(run_until([&] { return router->state() == VipState::Active; }));
  }
  // Started, and a backup of the peer, which is not heard again within 3 s.
  void become_backup() {
    make_router();
    router->set_candidacy(Candidacy::Full, "");
    router->start();
    say(200, 1s);
    REQUIRE(run_until([&] { return router->report().peer.has_value(); }));
    REQUIRE(router->state() == VipState::Backup);
  }
  // Up to where the program is executed, and then what the next one begins with.
  VirtualRouter::Inherited leave() {
    router->prepare_to_leave();
    VirtualRouter::Inherited left{.memory = router->memory(), .vrrp_socket = duplicate_of(router->vrrp_fd())};
    router.reset();
    return left;
  }
  void come_back(VirtualRouter::Inherited left) {
    make_router(std::move(left));
    router->set_candidacy(Candidacy::Full, "");
    router->go_on();
  }

  // The loop turns until `condition` holds, which is asked every 2 ms; false after 10 s.
  template <class Condition>
  bool run_until(Condition&& condition) {
    const TimePoint limit = loop.now() + 10s;
    bool holds = false;
    std::unique_ptr<Timer> timer;
    timer = std::make_unique<Timer>(loop, [&] {
      listen();
      holds = condition();
      if (holds || loop.now() >= limit) return loop.stop();
      timer->arm_after(2ms);
    });
    timer->arm_after(0ms);
    loop.run();
    return holds;
  }
  Dialect dialect() const {
    Dialect dialect;
    dialect.vrid = config.virtual_router_id;
    return dialect;
  }
  // What the peer hears.
  void listen() {
    std::array<std::uint8_t, 1500> bytes{};
    while (const auto datagram = ear->receive(bytes)) {
      REQUIRE(std::holds_alternative<VrrpDatagram>(*datagram));
      const auto decoded = decode(std::get<VrrpDatagram>(*datagram), dialect());
      REQUIRE(std::holds_alternative<DecodedAdvertisement>(decoded));
      heard.push_back(std::get<DecodedAdvertisement>(decoded).advertisement);
    }
  }
  bool hears(std::size_t more) {
    const std::size_t enough = heard.size() + more;
    return run_until([&] { return heard.size() >= enough; });
  }
  // The peer advertises, and the packet waits in the router's socket when this returns.
  void say(std::uint8_t priority, Duration interval = 100ms) {
    const IpAddress to = config.peers.empty() ? vrrp_group(AF_INET) : holder.address();
    const auto message = encode({.priority = priority, .interval = interval, .addresses = {vip}}, dialect(),
                                peer.address(), to);
    REQUIRE(ear->send(peer.address(), to, message) == 0);
  }
  // Whether an event of the kernel has said since the last call that `address` went.
  bool was_gone(const IpAddress& address) {
    std::vector<NetlinkEvent> events;
    while (monitor->drain(events) == NetlinkMonitor::Drained::More) continue;
    bool gone = false;
    for (const NetlinkEvent& event : events) {
      const auto* change = std::get_if<AddressEvent>(&event);
      gone = gone || (change != nullptr && change->is_gone && change->address.address == address);
    }
    return gone;
  }
  std::string record() const { return read_file(folder.file("state")); }
  std::uint64_t announced(AnnouncementKind kind = AnnouncementKind::GarpRequest) const {
    return router->report().counters.announcements.at(static_cast<std::size_t>(kind));
  }
  std::uint64_t entered(VipState state) const {
    return router->report().counters.transitions.at(static_cast<std::size_t>(state));
  }

  Host peer = net.host("peer");
  std::unique_ptr<VrrpSocket> ear = make_inside<VrrpSocket>(peer, AF_INET);
  std::unique_ptr<NetlinkMonitor> monitor = make_inside<NetlinkMonitor>(holder, NetlinkMonitor::Options{});
  CapturedLog log;
  Loop loop;
  VipConfig config;
  std::unique_ptr<VirtualRouter> router;
  std::vector<Advertisement> heard;
  std::vector<IpAddress> unconfigured;
  int given_up = 0;
  int changes = 0;  // of what the status says
};

}  // namespace vipward::test
