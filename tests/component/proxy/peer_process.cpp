#include "tests/component/proxy/peer_process.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <exception>
#include <system_error>
#include <utility>

namespace vipward::test {
namespace {
// More than any step of a conversation needs, sanitizers included.
constexpr timeval kLimit{.tv_sec = 60, .tv_usec = 0};
}  // namespace

NumberPipe::NumberPipe(Fd socket) : socket_(std::move(socket)) {
  setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &kLimit, sizeof kLimit);
}

void NumberPipe::put(std::uint64_t number) {
  [[maybe_unused]] const ssize_t sent = send(socket_.get(), &number, sizeof number, MSG_NOSIGNAL);
}

std::optional<std::uint64_t> NumberPipe::get() {
  std::uint64_t number = 0;
  if (recv(socket_.get(), &number, sizeof number, 0) != sizeof number) return std::nullopt;
  return number;
}

PeerProcess::PeerProcess(const std::function<void(NumberPipe& test)>& child) {
  std::array<int, 2> fds{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds.data()) != 0) {
    throw std::system_error(errno, std::generic_category(), "socketpair");
  }
  Fd ours(fds[0]);
  Fd theirs(fds[1]);
  pid_ = fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    ours.reset();
    NumberPipe test(std::move(theirs));
    try {
      child(test);
    } catch (const std::exception&) {
      _exit(1);
    }
    _exit(0);
  }
  pipe_.emplace(std::move(ours));
}

PeerProcess::~PeerProcess() {
  kill();
}

std::optional<std::uint64_t> PeerProcess::ask(std::uint64_t number) {
  pipe_->put(number);
  return pipe_->get();
}

void PeerProcess::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  waitpid(std::exchange(pid_, -1), nullptr, 0);
}

}  // namespace vipward::test
