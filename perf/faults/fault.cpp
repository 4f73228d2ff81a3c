#include "perf/faults/fault.h"

namespace vipward::perf {

using namespace std::chrono_literals;

const std::vector<Fault>& all_faults() {
  static const std::vector<Fault> faults{
      {.name = "release",
       .title = "`vipward release`",
       .bars = {.gap = 15ms, .clients_are_reset = true, .clients_within = 50ms},
       .run = release},
      {.name = "sigterm",
       .title = "SIGTERM",
       .bars = {.gap = 15ms, .clients_are_reset = true, .clients_within = 50ms},
       .run = terminate},
      {.name = "proxy-kill",
       .title = "proxy kill -9",
       .bars = {.gap = 60ms, .clients_are_reset = true, .no_transition = true},
       .run = kill_proxy},
      {.name = "proxy-kill-alone",
       .title = "proxy kill -9, no peer",
       .bars = {.gap = 60ms, .clients_are_reset = true, .no_transition = true},
       .run = kill_proxy_alone},
      {.name = "proxy-stop",
       .title = "proxy SIGSTOP",
       .bars = {.gap = 900ms, .clients_are_reset = true},
       .run = stop_proxy},
      {.name = "guardian-kill",
       .title = "guardian alone kill -9",
       .bars = {.gap = 360ms, .clients_are_reset = true},
       .run = kill_keeper},
      {.name = "both-kill",
       .title = "guardian and proxy kill -9",
       .bars = {.gap = 360ms},
       .run = kill_everything},
      {.name = "both-stop",
       .title = "guardian and proxy SIGSTOP 3 s, SIGCONT",
       .bars = {.gap = 360ms},
       .run = stop_everything},
      {.name = "cable", .title = "cable pulled, back after 2 s", .bars = {.gap = 360ms}, .run = pull_cable},
      {.name = "burners",
       .title = "16 CPU burners for 60 s",
       .bars = {.no_transition = true},
       .run = saturate,
       .is_long = true},
      {.name = "address-removed",
       .title = "`ip addr del` of the VIP",
       .bars = {.gap = 20ms, .no_transition = true},
       .run = remove_address},
      {.name = "crash-loop",
       .title = "every proxy of both hosts crashes after 300 ms, for 20 s",
       .bars = {.gap = 2000ms},
       .run = crash_loop},
      {.name = "third-host", .title = "third host claims the VIP", .bars = {}, .run = third_host},
  };
  return faults;
}

}  // namespace vipward::perf
