// A reload or an upgrade up to its commit: asks the program that shall take over whether it accepts the
// configuration, opens what is new, starts the next generation of the proxy and waits until it is prepared.
// Until then nothing has changed, and destroying this leaves everything as it was. Owner: the GuardianApp,
// one at a time; main thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "lb/guardian/briefing.h"
#include "lb/guardian/control_server.h"
#include "lb/guardian/drain_list.h"
#include "lb/guardian/examination.h"
#include "lb/guardian/file_watch.h"
#include "lb/guardian/listener_set.h"
#include "lb/guardian/proxy_process.h"
#include "lb/log/log.h"

namespace vipward {

class Succession {
 public:
  // What is now; all of it outlives this.
  struct Present {
    Loop& loop;
    Log& log;
    const Config& config;
    const std::string& config_name;
    const Executable& executable;
    const ListenerSet& listeners;
    const std::vector<channel::DepartingBackend>& departing;
    std::optional<Account> proxy_account;
    std::uint64_t generation = 0;  // the next one's
  };
  struct Hooks {
    // The state as it would be left now: the examined program must understand it.
    std::function<std::string()> state;
    // Why this host could not follow that configuration; nothing: it could.
    std::function<std::optional<std::string>(const Config&)> refusal_of;
    // What the operator has drained, by position in this configuration.
    std::function<channel::Drains(const Config&)> drains;
    // What the proxies are told of the VIP and the guardian.
    std::function<channel::GuardianStatus()> status;
    // Commit now, or destroy this. Called once, unless on_failed comes first.
    std::function<void()> on_prepared;
    // Nothing has changed; one line per problem. The last call.
    std::function<void(std::vector<std::string> problems)> on_failed;
  };
  Succession(const Present& present, SuccessionKind kind, Hooks hooks);
  ~Succession();
  Succession(const Succession&) = delete;
  Succession& operator=(const Succession&) = delete;

  // Gives up: on_failed follows with these, once its children are gone.
  void fail(std::vector<std::string> problems);

  SuccessionKind kind() const { return kind_; }
  // Ready to be committed.
  bool is_prepared() const { return prepared_ && !failed_; }
  // What the prepared one has been told of the VIP may have changed since.
  void tell(channel::GuardianStatus status) { proxy_->send(std::move(status)); }
  // Once prepared.
  const Executable& executable() const { return next_executable_ ? *next_executable_ : present_.executable; }
  const std::string& config_text() const { return config_text_; }
  const std::vector<std::string>& changes() const { return changes_; }
  const std::vector<channel::DepartingBackend>& departing() const { return departing_; }
  const ListenerSet& listeners() const { return *listeners_; }
  const ProxyProcess& proxy() const { return *proxy_; }

 private:
  void examine();
  void on_verdict(Examination::Verdict verdict);
  // A sentence for each thing that is wrong.
  std::vector<std::string> adopt(const std::string& config_text);
  DrainsAcross drains_across(const Config& next) const;
  std::vector<std::string> open();
  std::vector<std::string> start_proxy();
  void on_message(const channel::ToGuardian& message);
  void on_proxy_ended(const std::string& how);
  void finish_failing();

  const Present present_;
  const SuccessionKind kind_;
  Hooks hooks_;
  std::optional<Executable> next_executable_;  // of an upgrade
  Fd state_;
  std::unique_ptr<Examination> examination_;
  std::string config_text_;
  Config config_;
  std::vector<std::string> changes_;
  std::vector<channel::DepartingBackend> departing_;
  std::optional<FileWatch> files_;
  std::optional<ListenerSet> listeners_;
  std::optional<Briefing> briefing_;
  std::unique_ptr<ProxyProcess> proxy_;
  bool prepared_ = false;
  bool proxy_ended_ = false;
  bool failed_ = false;
  std::vector<std::string> problems_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // owner: this; posted tasks look
  Timer limit_;                                                 // for the proxy to be prepared
};

}  // namespace vipward
