// One running check of one backend: connect, TLS, one GET per path, on one connection if the server keeps it
// (each step with its own deadline), then an orderly end. The four protocols are the same steps, fewer of
// them. Owner: a Target; loop thread only. Bounded in time by the plan's timeouts, in memory by
// HttpResponseReader.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "health/answers.h"
#include "health/http_response.h"
#include "health/outcome.h"
#include "health/transport.h"
#include "lb/event/poll.h"
#include "lb/event/timer.h"

namespace vipward {

// What every check of a backend does.
struct CheckPlan {
  SocketAddress address;
  CheckProtocol protocol = CheckProtocol::Https;
  std::string host;  // for the Host header
  std::vector<std::string> paths;
  std::vector<int> expected_status;
  Millis connect_timeout{};   // connect and TLS, of each connection
  Millis response_timeout{};  // from the request to the last byte, of each response
};

// What it shows and trusts; may differ from check to check.
struct CheckCredentials {
  std::shared_ptr<const TlsContext> tls;      // protocols https and tls; owners: the service, running checks
  std::shared_ptr<TlsSessionCache> sessions;  // owners: the target, its running check
  std::string bearer_token;                   // empty: none
};

class Check {
 public:
  // Time that a backend gets to close its end after ours; a check that starts meanwhile cuts it short.
  static constexpr Millis kLinger{250};

  // `plan` outlives the check. `on_done` is called once, at the earliest in start(), and may destroy the
  // check; a check that is kept closes its connection in its own time, a destroyed one at once.
  Check(Loop& loop, const CheckPlan& plan, CheckCredentials credentials,
        std::function<void(const CheckOutcome&)> on_done);
  Check(const Check&) = delete;
  Check& operator=(const Check&) = delete;
  void start();

 private:
  enum class Step : std::uint8_t { Open, Connect, Handshake, Send, Receive, Linger, Over };

  void advance();
  // One step: WantRead or WantWrite to be called again then, else Done.
  IoStatus run_step();
  IoStatus on_connect(IoStatus status);
  IoStatus handshake();
  IoStatus send();
  IoStatus receive();
  IoStatus linger();

  void open();
  void after_connection();
  void begin_request();
  IoStatus on_end_of_stream();
  void on_response();
  void on_deadline();
  void enter_phase(CheckPhase phase, Millis limit);
  void complete_phase();
  void succeed();
  void fail(const IoFailure& failure);
  void conclude();
  void close();
  void wait_for(IoStatus status);
  // Last statement of every entry from outside: the owner may destroy the check in it.
  void report();
  bool uses_tls() const;
  bool uses_http() const;
  const std::string& path() const { return plan_.paths[path_index_]; }

  Loop& loop_;
  const CheckPlan& plan_;
  CheckCredentials credentials_;
  std::function<void(const CheckOutcome&)> on_done_;

  Step step_ = Step::Open;
  Transport transport_;
  std::unique_ptr<Poll> poll_;  // declared after the transport: goes before the descriptor
  Timer timer_;
  TimePoint began_{};
  TimePoint phase_began_{};
  Millis phase_limit_{};

  std::size_t path_index_ = 0;
  bool reused_ = false;  // this connection has carried a response before
  std::string request_;
  std::string_view unsent_;
  std::chrono::system_clock::time_point sent_at_;
  HttpResponseReader response_;
  PathAnswers answers_;
  std::size_t lingering_bytes_ = 0;
  CheckOutcome outcome_;
  bool concluded_ = false;
  bool reported_ = false;
};

}  // namespace vipward
