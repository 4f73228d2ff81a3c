// A session's attempt to get a backend: a socket, connect(2), what came of it, and its place in the counts of
// the backend, which it keeps until it is given up. All it knows is in the SessionRecord, which a handover
// carries: it is made where it is needed, and holds nothing. Worker thread.
#pragma once

#include <cstdint>

#include "lb/proxy/service.h"
#include "lb/proxy/session_context.h"

namespace vipward {

class Attempt {
 public:
  Attempt(SessionContext& context, Service& service, SessionRecord& record)
      : context_(context), service_(service), record_(record) {}

  enum class Start : std::uint8_t {
    UnderWay,
    NoDescriptor,  // it never left this host: the plan may choose this backend again
    Failed,        // as fail() has it
  };
  // Its events are `end`'s.
  Start start(const ConnectPlan::Attempt& chosen, SessionEnd& end);
  // errno of one that has failed, told once; 0: none so far.
  int take_error() const;
  bool is_connected() const;
  // Counts and says it, has the backend checked if it refused, and gives it up.
  void fail(int error);
  // Closes the socket, established or not.
  void give_up();

 private:
  Fd take_socket(int family);
  bool is_connected_to_itself() const;

  SessionContext& context_;
  Service& service_;
  SessionRecord& record_;
};

}  // namespace vipward
