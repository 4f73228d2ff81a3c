#include "lb/app/run_proxy.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include "lb/app/capacity.h"
#include "lb/app/generation.h"
#include "lb/net/fd.h"

namespace vipward {
namespace {

bool is_channel(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

// Ctrl-C and systemd reach the whole group: the guardian alone says when it is over.
void ignore_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) std::signal(signal, SIG_IGN);
}

}  // namespace

int run_proxy(int channel) {
  ignore_signals();
  if (!is_channel(channel)) {
    std::fputs("vipward: proxy is an internal command: `vipward run` starts it\n", stderr);
    return 2;
  }
  fcntl(channel, F_SETFD, FD_CLOEXEC);
  // What ps and top show instead of the guardian's name.
  prctl(PR_SET_NAME, "vipward-proxy");
  make_room_for_descriptors(descriptor_limit());
  try {
    return Generation(Fd(channel), {.log_fd = 2, .descriptor_limit = descriptor_limit()}).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "vipward: %s\n", error.what());
    return 1;
  }
}

}  // namespace vipward
