// The guardian replaces its own program and goes on: same process, same children, the descriptors that its
// heritage names. Main thread, outside every callback that holds something half done.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "lb/guardian/executable.h"
#include "lb/guardian/heritage.h"

namespace vipward {

// A memfd with the text, to be read from offset 0. Throws std::system_error.
Fd state_document(std::string_view text);

// `run -c CONFIG --inherit FD` in this process. Blocks signals that end or reload a service before (the next
// image takes those that wait): hold_signals(). Returns why it failed, if it did; then nothing has changed.
std::string reexecute(const Executable& executable, const std::string& config_path, const Heritage& heritage);

// SIGTERM, SIGINT and SIGHUP wait from now on, across the exec too, until they are let through. One that has
// been delivered already may still be on its way through the loop: turn it once more.
void hold_signals();
void let_signals_through();

// What a state document says, or why it cannot be used.
std::variant<Heritage, std::string> read_heritage(int document);
// The next image's side: the same, and every descriptor that it names is close-on-exec again.
std::variant<Heritage, std::string> receive_heritage(const Fd& document);

}  // namespace vipward
