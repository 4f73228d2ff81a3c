// `vipward proxy`: the process that the guardian starts. Internal: not for people. Main thread.
#pragma once

namespace vipward {

// `channel`: the descriptor of the guardian's channel, which it takes. Returns the exit code: 0 after Stop, 1
// when it could not start or the guardian is gone, 2 when there is no channel.
int run_proxy(int channel);

}  // namespace vipward
