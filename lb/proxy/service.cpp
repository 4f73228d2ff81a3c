#include "lb/proxy/service.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "lb/net/socket.h"

namespace vipward {
namespace {

std::unique_ptr<Picker> make_picker(BalanceAlgorithm algorithm, ServiceLoad& load) {
  return algorithm == BalanceAlgorithm::RoundRobin ? make_round_robin(load.turns) : make_least_connections();
}

}  // namespace

Service::Service(std::size_t index, ServiceConfig config, ProxyLoad& load, ServiceCounters& counters,
                 Log& log)
    : index_(index),
      config_(std::move(config)),
      proxy_load_(load),
      load_(load.services[index]),
      counters_(counters),
      log_(log),
      picker_(make_picker(config_.balance, load_)),
      standings_(config_.backends.size()),
      views_(config_.backends.size()) {}

std::optional<RejectReason> Service::refusal_of(const IpAddress& client) {
  const auto& allow = config_.allow;
  if (!allow.empty() &&
      std::none_of(allow.begin(), allow.end(), [&](const Cidr& cidr) { return cidr.contains(client); })) {
    return RejectReason::NotAllowed;
  }
  const bool full = is_full();
  say_limit(full);
  if (full) return RejectReason::Limit;
  const bool fail_open = config_.when_none_ready == WhenNoneReady::FailOpen;
  const bool any = std::any_of(standings_.begin(), standings_.end(), [&](const BackendStanding& standing) {
    return attempt_round(effective_state(standing), fail_open).has_value();
  });
  return any ? std::nullopt : std::optional(RejectReason::NoBackend);
}

bool Service::has_descriptors() const {
  return config_.max_connections == 0 || proxy_load_.taken() < proxy_load_.capacity;
}

void Service::set_liveness(int fd) {
  const KeepaliveConfig& keepalive = config_.keepalive;
  set_keepalive(fd,
                staggered({.idle = keepalive.idle, .interval = keepalive.interval, .count = keepalive.count},
                          keepalives_++));
  if (config_.tcp_user_timeout.count() > 0) set_user_timeout(fd, config_.tcp_user_timeout);
}

void Service::enter() {
  load_.sessions.fetch_add(1, std::memory_order_relaxed);
  proxy_load_.sessions.fetch_add(1, std::memory_order_relaxed);
}

void Service::leave() {
  load_.sessions.fetch_sub(1, std::memory_order_relaxed);
  proxy_load_.sessions.fetch_sub(1, std::memory_order_relaxed);
}

Service::Fill Service::fill() const {
  if (config_.max_connections != 0) {
    return {.sessions = load_.sessions.load(std::memory_order_relaxed), .limit = config_.max_connections};
  }
  return {.sessions = proxy_load_.taken(), .limit = proxy_load_.capacity};
}

bool Service::is_full() const {
  return fill().sessions >= fill().limit;
}

bool Service::is_well_below_limit() const {
  const auto [sessions, limit] = fill();
  return sessions < limit - limit / 8;
}

// Once for all workers. Said to be over only well below the limit: a service that hovers around it must not
// write a line per client.
void Service::say_limit(bool biting) {
  if (biting == load_.is_limited.load(std::memory_order_relaxed)) return;
  if (!biting && !is_well_below_limit()) return;
  const std::lock_guard lock(proxy_load_.transitions);
  if (load_.is_limited.exchange(biting, std::memory_order_relaxed) == biting) return;
  if (biting) {
    log_.warn("connection limit reached, new clients are reset",
              {{"service", config_.name}, {"connections", load_.sessions.load(std::memory_order_relaxed)}});
  } else {
    log_.info("below the connection limit again", {{"service", config_.name}});
  }
}

bool Service::is_another_ready(std::size_t backend) const {
  for (std::size_t i = 0; i < standings_.size(); ++i) {
    if (i != backend && effective_state(standings_[i]) == BackendState::Ready) return true;
  }
  return false;
}

std::span<const ConnectPlan::View> Service::views() {
  for (std::size_t i = 0; i < views_.size(); ++i) {
    views_[i] = {.state = effective_state(standings_[i]),
                 .weight = config_.backends[i].weight,
                 .connections = load_.backends[i].load(std::memory_order_relaxed)};
  }
  return views_;
}

ConnectPlan::Limits Service::connect_limits() const {
  return {.attempt = config_.connect_timeout,
          .deadline = config_.connect_deadline,
          .fail_open = config_.when_none_ready == WhenNoneReady::FailOpen};
}

}  // namespace vipward
