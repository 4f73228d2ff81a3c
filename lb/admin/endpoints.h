// What the admin listener and the control socket answer: the paths of the contract. Read-only. Owner: the
// app; called on the control loop.
#pragma once

#include <functional>

#include "lb/admin/http_request.h"
#include "lb/admin/http_response.h"
#include "lb/admin/snapshot.h"

namespace vipward {

class Endpoints {
 public:
  // `take_snapshot` is asked once for each request that needs it.
  explicit Endpoints(std::function<Snapshot()> take_snapshot);

  // The handler for HttpServer. Unknown paths get a 404 that lists the known ones.
  HttpResponse handle(const HttpRequest& request) const;

 private:
  std::function<Snapshot()> take_snapshot_;
};

}  // namespace vipward
