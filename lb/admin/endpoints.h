// What the admin listener and the control socket answer: the paths of the contract. Read-only. Owner: the
// app; called on the control loop.
#pragma once

#include <functional>
#include <string>

#include "lb/admin/http_request.h"
#include "lb/admin/http_response.h"
#include "lb/admin/snapshot.h"

namespace vipward {

class Endpoints {
 public:
  // `take_snapshot` is asked once for each request that needs it.
  explicit Endpoints(std::function<Snapshot()> take_snapshot);
  // Also the sessions, which are not for everybody: `list_sessions` answers with the JSON of all of them.
  using ListSessions = std::function<void(std::function<void(std::string)>)>;
  Endpoints(std::function<Snapshot()> take_snapshot, ListSessions list_sessions);

  // The handler for HttpServer. Unknown paths get a 404 that lists the known ones.
  HttpResponse handle(const HttpRequest& request) const;

 private:
  std::string list() const;

  std::function<Snapshot()> take_snapshot_;
  ListSessions list_sessions_;  // may be empty
};

}  // namespace vipward
