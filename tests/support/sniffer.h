// Keeps the VRRP, ARP and neighbour discovery frames that cross a Network's bridge, with the kernel's time of
// their arrival at the port, and which host's cable they came from. A frame is seen once however often the
// bridge floods it; one that a rule of the bridge drops later is seen as well. Owns one thread; results may
// be read at any time.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "lb/net/address.h"
#include "lb/net/fd.h"
#include "tests/support/network.h"

namespace vipward::test {

// CLOCK_REALTIME is what packet sockets stamp with.
using FrameClock = std::chrono::system_clock;
using FrameTime = std::chrono::time_point<FrameClock, std::chrono::nanoseconds>;

struct AdvertisementFrame {
  FrameTime time;
  std::string host;  // of the Network, whose port it came in by
  IpAddress source;
  IpAddress destination;
  std::uint8_t ttl = 0;  // IPv6: the hop limit
  std::uint8_t version = 0;
  std::uint8_t vrid = 0;
  std::uint8_t priority = 0;
  std::chrono::milliseconds interval{0};  // as its sender says, by version 3
  bool is_release() const { return priority == 0; }
};

struct ArpFrame {
  FrameTime time;
  std::string host;
  std::uint16_t operation = 0;  // 1 request, 2 reply
  std::string sender_mac;
  IpAddress sender;
  IpAddress target;
  bool is_gratuitous() const { return sender == target; }
};

// A neighbour solicitation or advertisement (RFC 4861 4.3, 4.4); nothing of it has been checked.
struct NeighbourFrame {
  FrameTime time;
  std::string host;
  std::uint8_t type = 0;  // 135 solicitation, 136 advertisement
  IpAddress source;
  IpAddress destination;
  IpAddress target;
  std::string mac;  // of the link-layer address option, if that is the first one, else the frame's sender
  bool is_router = false;
  bool is_solicited = false;
  bool is_override = false;
  bool is_advertisement() const { return type == 136; }
};

class Sniffer {
 public:
  // `net` must outlive it.
  explicit Sniffer(const Network& net);
  ~Sniffer();
  Sniffer(const Sniffer&) = delete;
  Sniffer& operator=(const Sniffer&) = delete;

  // In the order of arrival, at most the first kMostFrames of each.
  static constexpr std::size_t kMostFrames = 100000;
  std::vector<AdvertisementFrame> advertisements(FrameTime since = FrameTime{}) const;
  std::vector<ArpFrame> arps(FrameTime since = FrameTime{}) const;
  std::vector<NeighbourFrame> neighbours(FrameTime since = FrameTime{}) const;

  // Of one host alone.
  std::vector<AdvertisementFrame> advertisements_of(const Host& host, FrameTime since = FrameTime{}) const;
  // ARP frames in which that host says that `address` is at its MAC.
  std::vector<ArpFrame> claims_of(const Host& host, const IpAddress& address,
                                  FrameTime since = FrameTime{}) const;
  // Neighbour advertisements of that host for `address`.
  std::vector<NeighbourFrame> neighbour_claims_of(const Host& host, const IpAddress& address,
                                                  FrameTime since = FrameTime{}) const;
  // Who claimed to be active since then, one entry per change: {"lb1", "lb2"} is one switchover. A release
  // (priority 0) is no claim.
  std::vector<std::string> claims(FrameTime since = FrameTime{}) const;

 private:
  void run();
  const std::string* host_of(int interface);
  void keep(std::span<const std::uint8_t> frame, const std::string& host, FrameTime time);

  std::map<int, std::string> hosts_;  // by the port's index, written by the thread alone
  Fd socket_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;  // guards what follows, up to the thread
  std::vector<AdvertisementFrame> advertisements_;
  std::vector<ArpFrame> arps_;
  std::vector<NeighbourFrame> neighbours_;
  std::thread thread_;
};

}  // namespace vipward::test
