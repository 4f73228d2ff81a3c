// The table of a run, as Markdown: one row for each fault and contender.
#pragma once

#include <string>
#include <vector>

#include "perf/faults/verdict.h"

namespace vipward::perf {

// Says what was measured where, and how to do it again.
std::string heading(const std::string& command_line, unsigned rounds);
std::string table_head();
std::string table_row(const Row& row);

}  // namespace vipward::perf
