// The snapshot as Prometheus text. Pure; the table of all metrics is in the .cpp.
#pragma once

#include <string>
#include <string_view>

#include "lb/admin/process_stats.h"
#include "lb/admin/snapshot.h"

namespace vipward {

inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

// Every metric with every combination of its labels, also those that are still 0.
std::string render_metrics(const Snapshot& snapshot, const ProcessStats& process);

}  // namespace vipward
