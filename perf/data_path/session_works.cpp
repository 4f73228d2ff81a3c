#include "perf/data_path/session_works.h"

#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>

#include "perf/data_path/reconnecting_clients.h"
#include "perf/data_path/two_workers.h"
#include "perf/data_path/vip_holder.h"
#include "perf/figures.h"
#include "perf/netstat.h"
#include "tests/support/temp_dir.h"

namespace vipward::perf {
namespace {

// Of those that take the part of a peer here; splicing has nothing to do with sessions.
const std::vector<std::string> kBalancers{"vipward", "haproxy", "nginx", kBefore};

// A vipward that idles does so little that it is watched for longer.
constexpr int kIdleTurns = 3;

// Connections that the kernel has dropped because a listener's queue was full, among other reasons; each that
// it counts in ListenOverflows is in it too (net/ipv4/tcp_input.c, tcp_conn_request).
std::uint64_t listen_drops() {
  const auto drops = netstat_counter(test::read_file("/proc/net/netstat"), "TcpExt", "ListenDrops");
  if (!drops) throw std::runtime_error("/proc/net/netstat does not count ListenDrops");
  return *drops;
}

// Of one that has just been started: what is there with so many sessions, and was not before them.
std::vector<double> measure_memory(Rig& rig, const std::string& contender, const Effort& effort) {
  if (contender == kDirect) return {0};
  const auto fresh = rig.fresh(contender);
  { const IdleClients first(fresh->address(), 1); }  // it is up, and has made what it makes once
  const std::uint64_t before = fresh->footprint().memory_kib;
  const IdleClients clients(fresh->address(), effort.idle_sessions);
  const std::uint64_t after = fresh->footprint().memory_kib;
  return {(static_cast<double>(after) - static_cast<double>(before)) / effort.idle_sessions};
}

std::vector<double> measure_reconnect(Rig& rig, const std::string& contender, const Effort& effort) {
  rig.wait_until_quiet();
  ReconnectingClients::Outcome outcome;
  const std::uint64_t before = listen_drops();
  {
    ReconnectingClients clients(rig.target(contender), effort.reconnecting);
    outcome = clients.reconnect();
  }
  const std::uint64_t drops = listen_drops() - before;
  rig.wait_until_quiet();
  return {in_ms(outcome.time), static_cast<double>(drops), static_cast<double>(outcome.turned_away)};
}

Work reconnect(const Effort& effort) {
  const std::string who = std::to_string(effort.reconnecting) + " clients reconnect at once";
  return {.key = "reconnect",
          .figures =
              {{.key = "reconnect-time", .title = who + ", until all are served", .unit = "ms", .bar = 1.10},
               {.key = "reconnect-drops",
                .title = "reconnecting: a listen queue found full",
                .unit = "times",
                .limit = 0,
                .has_ratio = false,
                .limits_worst = true},
               {.key = "reconnect-turned-away",
                .title = "reconnecting: connections lost before the answer",
                .unit = "times",
                .limit = 0,
                .has_ratio = false,
                .limits_worst = true}},
          .measure = [=](Rig& rig,
                         const std::string& contender) { return measure_reconnect(rig, contender, effort); },
          .contenders = kBalancers};
}

Work two_workers(const Effort& effort) {
  // Owner: the work; std::function wants something to copy.
  const auto both = std::make_shared<TwoWorkers>(effort);
  return {.key = "workers-2",
          .figures = {{.key = "workers-2-cpu",
                       .title = "CPU per keep-alive request with two workers, to that with one",
                       .unit = "times",
                       .limit = 1.05,
                       .has_ratio = false},
                      {.key = "workers-2-rate",
                       .title = "keep-alive requests, 32 connections, two workers",
                       .unit = "1/s",
                       .more_is_better = true},
                      {.key = "workers-2-imbalance",
                       .title = "sessions that one of two workers has more than the other",
                       .unit = "%",
                       .limit = 10,
                       .has_ratio = false}},
          .measure = [both](Rig& rig, const std::string& contender) -> std::vector<double> {
            const auto outcome = both->measure(rig, contender);
            rig.wait_until_quiet();
            return {outcome.cpu_ratio, outcome.per_second, outcome.imbalance_percent};
          },
          .contenders = kBalancers};
}

// Percent of a core, of a vipward that has nothing to do but to be there.
double measure_idle_cpu(const std::string& binary, const Effort& effort) {
  const VipHolder holder(binary);
  const test::InsideNamespace here = holder.client().enter();
  const IdleClients clients(holder.address(), effort.idle_sessions);
  const auto start = std::chrono::steady_clock::now();
  const auto before = holder.cpu_time();
  std::this_thread::sleep_for(kIdleTurns * effort.time);
  const std::chrono::duration<double> cpu = holder.cpu_time() - before;
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  holder.require_healthy(effort.idle_sessions);
  return cpu / time * 100;
}

Work idle_cpu(const Effort& effort) {
  return {.key = "idle-cpu",
          .figures = {{.key = "idle-cpu",
                       .title = "CPU with " + std::to_string(effort.idle_sessions) +
                                " idle sessions, three backends, and the VIP held",
                       .unit = "% of a core",
                       .limit = 1}},
          .measure = [=](Rig& rig, const std::string& contender) -> std::vector<double> {
            return {measure_idle_cpu(rig.binary(contender), effort)};
          },
          .rounds = kSlowRounds,
          .contenders = {"vipward", kBefore}};
}

}  // namespace

std::vector<Work> session_works(const Effort& effort) {
  return {
      {.key = "idle",
       .figures = {{.key = "idle-memory", .title = "memory per idle session", .unit = "KiB", .limit = 0.6}},
       .measure = [=](Rig& rig,
                      const std::string& contender) { return measure_memory(rig, contender, effort); },
       .rounds = kSlowRounds},
      reconnect(effort),
      two_workers(effort),
      idle_cpu(effort)};
}

}  // namespace vipward::perf
