// One life of a proxy: does what the guardian says on the channel, from Setup to the exit code. What comes
// out of turn is said in the log and left alone. Owner: run_proxy(), or a test; the thread that makes it,
// whose loop is the control loop.
#pragma once

#include <optional>

#include "lb/app/proxy_app.h"
#include "lb/channel/endpoint.h"

namespace vipward {

class Generation {
 public:
  struct Options {
    int log_fd = 2;
    std::uint64_t descriptor_limit = 1024;
  };
  // `channel`: this process's end.
  Generation(Fd channel, Options options);
  ~Generation();
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  // Serves until Stop, which gives 0. 1: it could not start, or the guardian is gone.
  int run();

 private:
  void on_message(channel::ToProxy message);
  void on(channel::Setup& setup);
  void on(channel::ServiceListeners& message);
  void on(channel::AdminListeners& message);
  void on(channel::CheckFiles& message);
  void on(channel::Serve&);
  void on(channel::GuardianStatus& message);
  void on(channel::VipReleased& message);
  void on(channel::HttpConnection& message);
  void on(channel::Stop& message);
  void on(channel::Drains& message);
  void on(channel::Prepare& message);
  void on(channel::TakeOver& message);
  void on(channel::HandOver& message);
  void on_channel_lost(std::string_view why);
  void on_descriptors_lost(std::size_t kind);
  void log_start(const Config& config, const ProxyApp::Options& options);
  void fail(std::vector<std::string> problems);
  bool prepare(ProxyApp::BadFiles bad_files);
  void refuse(std::string_view message);
  void end(int exit_code);

  Options options_;
  Loop loop_;
  channel::ProxyEnd guardian_;
  std::optional<channel::VitalsPage> vitals_;
  std::optional<Log> log_;
  std::optional<ProxyApp> app_;  // once Setup has come
  std::optional<int> exit_code_;
  Fd spare_;  // given up for the link to a successor, when no other is left
};

}  // namespace vipward
