// The line that a session leaves behind: who, through which port of ours, to which backend, how long, how
// much, why it ended. Worker thread.
#pragma once

#include "lb/log/log.h"
#include "lb/proxy/reasons.h"
#include "lb/proxy/service.h"
#include "lb/proxy/session_record.h"

namespace vipward {

// Nothing if the service's access_log is off. Bare TCP probes are logged at debug.
void log_session_end(Log& log, const Service& service, const SessionRecord& record, EndReason reason,
                     TimePoint now);

}  // namespace vipward
