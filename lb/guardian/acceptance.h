// `vipward accept`: what the guardian asks the program that shall take over from it, before anything changes:
// would you run with this configuration, and do you understand what I would leave to you? Internal; a child
// of the guardian with its rights. Blocking.
#pragma once

#include <string>

namespace vipward {

// The first line of an acceptance: no other program says it.
inline constexpr const char* kAcceptance = "vipward accepts\n";

// `state`: a descriptor of the state document. 0: kAcceptance is on stdout, and after it the text of the
// configuration, to the byte. 1: the reasons are on stderr, one a line.
int accept_succession(const std::string& config_path, int state);

}  // namespace vipward
