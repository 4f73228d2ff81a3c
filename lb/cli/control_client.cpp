#include "lb/cli/control_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <system_error>

#include "lb/net/fd.h"

namespace vipward {
namespace {

using SteadyClock = std::chrono::steady_clock;

// One request and its answer on a connection of their own.
class Exchange {
 public:
  Exchange(const std::string& socket_path, const ControlLimits& limits)
      : socket_path_(socket_path), limits_(limits), deadline_(SteadyClock::now() + limits.timeout) {}

  ControlReply get(const std::string& path) {
    if (!run("http\nGET " + path + " HTTP/1.0\r\nHost: vipward\r\n\r\n")) return failed();
    return parse_http();
  }
  ControlReply command(const std::string& line) {
    if (!run(line + '\n')) return failed();
    return parse_line();
  }

 private:
  bool run(std::string_view request) { return connect() && send(request) && receive(); }

  bool connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_path_.empty() || socket_path_.size() >= sizeof address.sun_path)
      return fail("this is no path of a socket: at most 107 bytes");
    std::memcpy(address.sun_path, socket_path_.data(), socket_path_.size());
    socket_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket_) return fail(std::system_category().message(errno));
    while (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      // unix(7): the daemon's queue is full; there is nothing to wait on.
      if (errno == EAGAIN && SteadyClock::now() < deadline_)
        ::poll(nullptr, 0, 10);
      else if (errno != EINTR)
        return fail(explain_connect(errno));
    }
    return true;
  }

  static std::string explain_connect(int error) {
    switch (error) {
      case ENOENT:
        return "no such socket: is vipward running? Another place is named with --control-socket";
      case ECONNREFUSED:
        return "nobody answers on the socket: vipward is not running";
      case EACCES:
      case EPERM:
        return "permission denied: run as root, or as a member of control_socket.group";
      case EAGAIN:
        return "the daemon does not accept connections: its process is stuck or stopped";
      default:
        return std::system_category().message(error);
    }
  }

  bool send(std::string_view rest) {
    while (!rest.empty()) {
      const ssize_t sent = ::send(socket_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent >= 0)
        rest.remove_prefix(static_cast<std::size_t>(sent));
      else if (errno != EINTR && !(errno == EAGAIN && wait(POLLOUT)))
        return fail_io();
    }
    return true;
  }

  bool receive() {
    std::array<char, 65536> buffer;
    for (;;) {
      const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
      if (got == 0) return true;
      if (got > 0)
        received_.append(buffer.data(), static_cast<std::size_t>(got));
      else if (errno != EINTR && !(errno == EAGAIN && wait(POLLIN)))
        return fail_io();
      if (received_.size() > limits_.reply_bytes)
        return fail("the answer is larger than " + std::to_string(limits_.reply_bytes) + " bytes");
      if (SteadyClock::now() >= deadline_) return fail_timeout();
    }
  }

  // False, with errno EAGAIN: the time is over.
  bool wait(short events) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - SteadyClock::now());
    pollfd ready{socket_.get(), events, 0};
    const bool is_ready = left.count() > 0 && ::poll(&ready, 1, static_cast<int>(left.count())) != 0;
    errno = EAGAIN;
    return is_ready;
  }

  // The daemon has taken the connection: it died, or stopped, before it had an answer.
  ControlReply no_answer() {
    return refused("vipward closed the connection without an answer: its log says why");
  }

  ControlReply parse_line() {
    std::string_view answer = received_;
    if (answer.empty()) return no_answer();
    if (!answer.ends_with('\n')) return refused("what answers is not vipward");
    answer.remove_suffix(1);
    constexpr std::string_view kOk = "ok ";
    constexpr std::string_view kError = "error ";
    if (answer.starts_with(kOk)) return {.body = std::string(answer.substr(kOk.size()))};
    if (answer.starts_with(kError)) return {.error = std::string(answer.substr(kError.size()))};
    return refused("what answers is not vipward");
  }

  ControlReply parse_http() {
    if (received_.empty()) return no_answer();
    const std::string_view all = received_;
    const auto head_end = all.find("\r\n\r\n");
    int status = 0;
    if (head_end == std::string_view::npos || !all.starts_with("HTTP/1.") || all.size() < 12 ||
        std::from_chars(all.data() + 9, all.data() + 12, status).ec != std::errc())
      return refused("what answers is not vipward");
    const std::string_view body = all.substr(head_end + 4);
    if (status == 503 && !body.empty())
      return {.down = std::string(body.substr(0, body.find_first_of("\r\n")))};
    if (status != 200) return refused("the daemon answers with HTTP status " + std::to_string(status));
    if (content_length(all.substr(0, head_end)) != body.size()) return refused("the answer was cut short");
    return {.body = std::string(body)};
  }

  static std::optional<std::size_t> content_length(std::string_view head) {
    constexpr std::string_view kName = "\r\nContent-Length: ";
    const auto at = head.find(kName);
    std::size_t length = 0;
    if (at == std::string_view::npos) return std::nullopt;
    const char* begin = head.data() + at + kName.size();
    if (std::from_chars(begin, head.data() + head.size(), length).ec != std::errc()) return std::nullopt;
    return length;
  }

  bool fail_io() {
    if (errno == EAGAIN) return fail_timeout();
    return fail("the daemon ended the connection: " + std::system_category().message(errno));
  }
  bool fail_timeout() {
    return fail("no answer within " + std::to_string(limits_.timeout.count()) +
                " ms: its process is stuck or stopped");
  }
  bool fail(const std::string& what) {
    error_ = socket_path_ + ": " + what;
    return false;
  }
  ControlReply refused(const std::string& what) {
    fail(what);
    return failed();
  }
  ControlReply failed() { return {.error = error_}; }

  const std::string& socket_path_;
  const ControlLimits& limits_;
  SteadyClock::time_point deadline_;
  Fd socket_;
  std::string received_;
  std::string error_;
};

}  // namespace

ControlReply ask_daemon(const std::string& socket_path, const std::string& path,
                        const ControlLimits& limits) {
  return Exchange(socket_path, limits).get(path);
}

ControlReply command_daemon(const std::string& socket_path, const std::string& line,
                            const ControlLimits& limits) {
  return Exchange(socket_path, limits).command(line);
}

}  // namespace vipward
