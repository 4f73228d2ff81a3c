// Two edge hosts, lb1 (10.77.0.21) and lb2 (10.77.0.22), with the VIP 10.77.0.100 or fd77::100 between them,
// three masters behind them, and a client, on one bridge with a sniffer. Nothing runs on the edge hosts
// before start(). Test's main thread, which stays where it is.
#pragma once

#include <chrono>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/network.h"
#include "tests/support/prober.h"
#include "tests/support/sniffer.h"
#include "tests/system/answerer.h"
#include "tests/system/edge_host.h"
#include "tests/system/established_clients.h"

namespace vipward::test {

class EdgePair {
 public:
  // Who runs on lb1 and on lb2.
  EdgePair(Contender first, Contender second, Transport transport = Transport::Unicast);
  explicit EdgePair(Contender both, Transport transport = Transport::Unicast)
      : EdgePair(both, both, transport) {}

  IpAddress vip() const;
  SocketAddress service() const { return {vip(), 6443}; }

  EdgeHost& lb1() { return *lb1_; }
  EdgeHost& lb2() { return *lb2_; }
  EdgeHost& other(const EdgeHost& one) { return &one == lb1_.get() ? *lb2_ : *lb1_; }
  Host& client() { return client_; }
  Network& net() { return net_; }
  const Sniffer& sniffer() const { return *sniffer_; }

  // Starts `holder` alone, and returns when it has the VIP and a new client is served.
  void start_alone(EdgeHost& holder);
  // The same, and then the other one, until that is ready. Throw, with the logs, if that takes too long.
  void start(EdgeHost& holder);

  // By the addresses that the hosts have now.
  unsigned holders() const;
  bool is_only_holder(const EdgeHost& one) const { return holders() == 1 && one.holds_vip(); }
  bool wait_for_holder(const EdgeHost& one, std::chrono::milliseconds limit) const;
  bool wait_for_one_holder(std::chrono::milliseconds limit) const;
  // "lb1 lb2", or "nobody", for messages.
  std::string holders_text() const;

  // From the client's host, to the VIP.
  std::unique_ptr<EstablishedClients> connect_clients(unsigned idle = 20, unsigned silent = 5) const;
  struct Traffic {
    std::unique_ptr<Prober> prober;
    std::unique_ptr<EstablishedClients> clients;
  };
  // Both kinds, and steady answers; throws if there are none.
  Traffic start_traffic() const;
  // The own address of the edge host that serves a new connection of the client; empty: none does.
  std::string served_by(std::chrono::milliseconds limit = std::chrono::milliseconds{500}) const;
  bool wait_until_served_by(EdgeHost& one, std::chrono::milliseconds limit) const;

  std::string logs() const;

 private:
  std::unique_ptr<EdgeHost> make(Contender contender, const Host& host, const Host& peer) const;

  const Transport transport_;
  Network net_;
  Host client_;
  std::vector<Host> masters_;
  std::list<Answerer> answerers_;
  std::unique_ptr<EdgeHost> lb1_;
  std::unique_ptr<EdgeHost> lb2_;
  std::unique_ptr<Sniffer> sniffer_;
};

}  // namespace vipward::test
