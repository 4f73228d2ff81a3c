// One proxy of a handover without its checks and admin pages: a control loop on a thread of its own, workers
// on real sockets, and the two ends of a handover. The test is the guardian: it owns the listeners and makes
// the link. One thread asks.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "lb/app/arrival.h"
#include "lb/app/departure.h"
#include "tests/component/proxy/peer.h"

namespace vipward::test {

// The sockets of one service, as the guardian holds them.
class Listeners {
 public:
  Listeners();
  const SocketAddress& address() const { return address_; }
  channel::ServiceListeners copies() const;
  // A client whose connection waits until somebody accepts.
  Peer connect() const { return Peer::connect_to(address_); }

 private:
  std::vector<Fd> sockets_;
  SocketAddress address_;
};

// The two ends of a link.
struct Link {
  Link();
  Fd predecessor;
  Fd successor;
};

class Side {
 public:
  // `capacity`: sessions, of a service without a limit of its own.
  explicit Side(const ServiceConfig& service, std::size_t workers = 1, std::uint32_t capacity = 100'000);
  // Its sessions are reset.
  ~Side();
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;

  void serve(const Listeners& listeners);
  void hand_over(Fd link);
  void take_over(Fd link, const Listeners& listeners);
  // Of the last handover, once it has ended.
  std::optional<std::uint32_t> moved();
  std::optional<channel::Inherited> inherited();
  bool wait_moved();
  bool wait_inherited();

  void refuse_on(const std::vector<IpAddress>& addresses);
  void set_state(std::size_t backend, BackendState state);
  std::uint32_t sessions() const { return load_.sessions.load(); }
  std::uint32_t sessions_of(std::size_t backend) const { return load_.services[0].backends[backend].load(); }
  // By worker.
  std::vector<std::size_t> shares();
  std::uint64_t spliced_bytes() const;
  std::uint64_t closed(EndReason reason) const;
  std::uint64_t closed() const;

 private:
  // On the control loop; returns when it has run.
  void run(const std::function<void()>& task);

  const std::vector<ServiceConfig> services_;
  Fd log_file_;
  Log log_;
  ProxyLoad load_;
  channel::VitalsPage vitals_;
  Loop loop_;
  std::optional<WorkerPool> workers_;
  std::unique_ptr<Departure> departure_;
  std::unique_ptr<Arrival> arrival_;
  std::optional<std::uint32_t> moved_;
  std::optional<channel::Inherited> inherited_;
  std::thread thread_;
};

// With these backends, named backend-0, backend-1 ...; all of them ready or unknown alike.
ServiceConfig service_of(const std::vector<SocketAddress>& backends);

// A session with both of its ends in the test's hands; the first byte has passed.
struct Ends {
  Peer client;
  Peer backend;
};
Ends open_session(const Listeners& listeners, Backend& backend, std::string_view first = "x",
                  int receive_buffer_bytes = 0);
std::vector<Ends> open_sessions(const Listeners& listeners, Backend& backend, std::size_t count);
// Bytes pass both ways.
bool works(Ends& ends);

// Sessions go from one to the other, all of them; returns when both have ended the handover.
void hand_over(Side& from, Side& to, const Listeners& listeners);

}  // namespace vipward::test
