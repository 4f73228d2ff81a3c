// The client of the control socket against a daemon that is missing, silent or wrong. Its peers are threads
// with canned answers: small enough to stay with the unit tests.
#include "lb/cli/control_client.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <array>
#include <filesystem>
#include <sstream>
#include <thread>

#include "lb/cli/commands.h"
#include "lb/net/fd.h"
#include "lb/net/socket.h"

using namespace vipward;
using namespace std::chrono_literals;

namespace {

class Folder {
 public:
  Folder() { REQUIRE(mkdtemp(path_.data()) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string socket() const { return path_ + "/control.sock"; }

 private:
  std::string path_ = "/tmp/vipward-unit-cli-XXXXXX";
};

// What asking says of a peer that reads the request and answers `bytes`.
ControlReply ask_canned(const std::string& bytes, const ControlLimits& limits = {}) {
  const Folder folder;
  Fd listener = listen_unix(folder.socket(), {});
  std::thread peer([&] {
    SocketAddress nobody;
    Fd client;
    while (!client) client = accept_from(listener.get(), nobody);
    std::array<char, 4096> request;
    std::string seen;
    while (seen.find("\r\n\r\n") == std::string::npos) {
      const ssize_t got = recv(client.get(), request.data(), request.size(), 0);
      if (got == 0) break;
      if (got > 0) seen.append(request.data(), static_cast<std::size_t>(got));
    }
    std::string_view rest = bytes;
    while (!rest.empty()) {
      const ssize_t sent = send(client.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent > 0) rest.remove_prefix(static_cast<std::size_t>(sent));
      if (sent < 0 && errno != EAGAIN) break;
    }
  });
  ControlReply reply = ask_daemon(folder.socket(), "/api/v1/status", limits);
  peer.join();
  if (reply.error.starts_with(folder.socket() + ": ")) reply.error.erase(0, folder.socket().size() + 2);
  return reply;
}

}  // namespace

TEST_CASE("a whole answer is handed over") {
  const ControlReply reply = ask_canned("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
  CHECK(reply.error == "");
  CHECK(reply.body == "abc");
}

TEST_CASE("an answer that is not one is said to be none") {
  CHECK(ask_canned("").error == "what answers is not vipward");
  CHECK(ask_canned("SSH-2.0-OpenSSH\r\n").error == "what answers is not vipward");
  CHECK(ask_canned("HTTP/1.1 abc\r\n\r\n").error == "what answers is not vipward");
  CHECK(ask_canned("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").error ==
        "the daemon answers with HTTP status 404");
  CHECK(ask_canned("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc").error == "the answer was cut short");
  CHECK(ask_canned("HTTP/1.1 200 OK\r\n\r\nabc").error == "the answer was cut short");
}

TEST_CASE("an endless answer is bounded") {
  CHECK(ask_canned(std::string(3 << 20, 'x'), {.reply_bytes = 1 << 20}).error ==
        "the answer is larger than 1048576 bytes");
}

TEST_CASE("a daemon that is not there is named with what to do") {
  const Folder folder;
  CHECK(ask_daemon(folder.socket(), "/").error ==
        folder.socket() +
            ": no such socket: is vipward running? Another place is named with --control-socket");
  listen_unix(folder.socket(), {});  // and closed: the file stays
  CHECK(ask_daemon(folder.socket(), "/").error ==
        folder.socket() + ": nobody answers on the socket: vipward is not running");
  CHECK(ask_daemon(std::string(200, 'x'), "/").error ==
        std::string(200, 'x') + ": this is no path of a socket: at most 107 bytes");
}

TEST_CASE("a daemon that does not answer is waited for no longer than said") {
  const Folder folder;
  const Fd listener = listen_unix(folder.socket(), {});
  CHECK(ask_daemon(folder.socket(), "/", {.timeout = 50ms}).error ==
        folder.socket() + ": no answer within 50 ms: its process is stuck or stopped");
}

TEST_CASE("status exits 1 with the reason when nobody answers") {
  const Folder folder;
  std::ostringstream out;
  std::ostringstream err;
  CHECK(run_status({.control_socket = folder.socket()}, {out, err}) == 1);
  CHECK(out.str() == "");
  CHECK(err.str() ==
        "vipward status: " + folder.socket() +
            ": no such socket: is vipward running? Another place is named with --control-socket\n");
}
