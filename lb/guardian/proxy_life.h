// The generations of the proxy as the guardian keeps them: starts one, restarts it in place when it dies or
// hangs, lets a prepared one take over from its predecessor. When is the Supervisor's and the StallJudge's
// decision. Owner: the GuardianApp; main thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lb/guardian/handover_report.h"
#include "lb/guardian/proxy_process.h"
#include "lb/guardian/supervisor.h"
#include "lb/log/log.h"
#include "lb/net/address.h"

namespace vipward {

class ProxyLife {
 public:
  struct Hooks {
    // Tells it everything but Serve or Prepare. False: this process has no descriptor left for that.
    std::function<bool(ProxyProcess&)> brief;
    // standing() or is_serving() may have changed.
    std::function<void()> on_change;
    // The first one serves.
    std::function<void()> on_first_ready;
    // The first one could not start, one line per problem.
    std::function<void(std::vector<std::string>)> on_never_started;
    std::function<void(bool every_service_has_living)> on_backends;
    // After stop(): no process is left.
    std::function<void()> on_all_ended;
  };
  // `log`, `executable` outlive it.
  ProxyLife(Loop& loop, Log& log, const Executable& executable, std::optional<Account> account, Hooks hooks);

  void start();
  // Instead of start(), in the guardian's next image: the successor takes over from the predecessor, if there
  // still is one. Throws std::system_error.
  struct TakeOver {
    std::optional<ProxyProcess::Lent> predecessor;
    ProxyProcess::Lent successor;
    Supervisor::Memory supervisor;
    std::uint64_t generations = 0;
    HandoverReport::Begun begun;
    std::string to_version;
  };
  void take_over(const TakeOver& from);
  // Who is asked to leave something: for the next image.
  std::optional<ProxyProcess::Lent> lent() const;
  Supervisor::Memory memory() const { return supervisor_.memory(); }

  // To the one that serves, or is about to; lost if there is none.
  void send(channel::ToProxy message);
  // A connection of the control socket. False: nobody can answer now.
  bool pass_on(Fd& client);
  // The VIPs are gone: every process resets whose clients came by way of them, in time or it is killed.
  void release();
  // The same of addresses that are VIPs no more.
  void release(const std::vector<IpAddress>& unconfigured);
  void stop(const char* signal);
  // Every StallJudge::kEvery.
  void find_stalls();

  bool is_serving() const { return supervisor_.is_serving(); }
  Supervisor::Standing standing() const { return supervisor_.standing(loop_.now()); }
  std::uint64_t restarts() const { return supervisor_.restarts(); }
  std::uint64_t generations() const { return generations_; }
  std::uint64_t take_number() { return ++generations_; }
  // A predecessor is still there: no succession can begin.
  bool is_handing_over() const { return predecessor_ != nullptr || report_.has_value(); }
  // Sessions that the predecessor had when its last link ended.
  std::uint32_t left_behind() const { return left_behind_; }
  // All that was said has reached the kernel: a re-execution loses nothing.
  bool has_unsaid() const { return proxy_ && proxy_->has_unsaid(); }
  bool has_ended() const { return !proxy_ && !predecessor_; }

  std::optional<TimePoint> next_deadline() const;
  void on_time();

 private:
  ProxyProcess::Handlers handlers_for(std::uint64_t number);
  ProxyProcess::Handlers predecessor_handlers();
  void carry_out(Supervisor::Step step);
  void spawn();
  void link();
  void relink(std::uint32_t moved, std::uint32_t left);
  void on_message(channel::ToGuardian message);
  void on_ready();
  void on_failed(const std::vector<std::string>& problems);
  void on_unfit(const std::string& why);
  void on_ended(const std::string& how);
  void on_predecessor_message(const channel::ToGuardian& message);
  void on_predecessor_ended(const std::string& how);
  void retire(std::unique_ptr<ProxyProcess>& process);
  void report();

  Loop& loop_;
  Log& log_;
  const Executable& executable_;
  std::optional<Account> account_;
  Hooks hooks_;
  Supervisor supervisor_;
  std::unique_ptr<ProxyProcess> proxy_;
  std::unique_ptr<ProxyProcess> predecessor_;  // hands over, then goes
  std::optional<HandoverReport> report_;
  std::uint64_t generations_ = 0;
  std::vector<std::string> start_problems_;
  std::vector<Fd> waiting_clients_;  // of the control socket, until the successor serves
  bool linked_ = false;              // the proxy with a predecessor, which it tells of with Inherited
  unsigned relinks_ = 0;             // of this proxy
  std::optional<TimePoint> relink_at_;
  std::uint32_t left_behind_ = 0;
  bool stopping_ = false;
  std::optional<TimePoint> kill_at_;  // stopping: their last moment
  std::optional<TimePoint>
      reset_by_;  // clients of a released address are reset by then, or their proxy is killed
};

}  // namespace vipward
