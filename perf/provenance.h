// Where and of what a result comes, for the head of its file.
#pragma once

#include <string>

namespace vipward::perf {

// strftime(3) of now.
std::string utc_now(const char* format);
// "`COMMAND` at COMMIT, on 2 cores, Linux ...; HAProxy ...; nginx ....": a line.
std::string provenance(const std::string& command_line);

}  // namespace vipward::perf
