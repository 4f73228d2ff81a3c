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

// A peer that reads a request up to its end and answers `bytes`.
class CannedDaemon {
 public:
  CannedDaemon(std::string request_end, std::string bytes)
      : listener_(listen_unix(folder_.socket(), {})),
        peer_([this, end = std::move(request_end), answer = std::move(bytes)] { serve(end, answer); }) {}
  ~CannedDaemon() { wait(); }
  CannedDaemon(const CannedDaemon&) = delete;
  CannedDaemon& operator=(const CannedDaemon&) = delete;

  std::string socket() const { return folder_.socket(); }
  // What it was asked.
  std::string request() {
    wait();
    return seen_;
  }
  // Until it has answered.
  void wait() {
    if (peer_.joinable()) peer_.join();
  }

 private:
  void serve(const std::string& end, std::string_view rest) {
    SocketAddress nobody;
    Fd client;
    while (!client) client = accept_from(listener_.get(), nobody);
    std::array<char, 4096> request;
    while (seen_.find(end) == std::string::npos) {
      const ssize_t got = recv(client.get(), request.data(), request.size(), 0);
      if (got == 0) break;
      if (got > 0) seen_.append(request.data(), static_cast<std::size_t>(got));
    }
    while (!rest.empty()) {
      const ssize_t sent = send(client.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent > 0) rest.remove_prefix(static_cast<std::size_t>(sent));
      if (sent < 0 && errno != EAGAIN) break;
    }
  }

  Folder folder_;
  Fd listener_;
  std::string seen_;
  std::thread peer_;
};

ControlReply without_place(ControlReply reply, const std::string& socket) {
  if (reply.error.starts_with(socket + ": ")) reply.error.erase(0, socket.size() + 2);
  return reply;
}

// What asking says of a daemon that answers `bytes`.
ControlReply ask_canned(const std::string& bytes, const ControlLimits& limits = {}) {
  const CannedDaemon daemon("\r\n\r\n", bytes);
  return without_place(ask_daemon(daemon.socket(), "/api/v1/status", limits), daemon.socket());
}

ControlReply command_canned(const std::string& bytes) {
  const CannedDaemon daemon("\n", bytes);
  return without_place(command_daemon(daemon.socket(), "resume"), daemon.socket());
}

struct Outcome {
  int exit_code;
  std::string out;
  std::string err;
};

template <class Command>
Outcome outcome_of(int (*run)(const Command&, Output), const Command& command) {
  std::ostringstream out;
  std::ostringstream err;
  const int exit_code = run(command, {out, err});
  return {exit_code, out.str(), err.str()};
}

}  // namespace

TEST_CASE("a whole answer is handed over") {
  const ControlReply reply = ask_canned("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
  CHECK(reply.error == "");
  CHECK(reply.body == "abc");
}

TEST_CASE("the daemon is told in the first line that HTTP follows") {
  CannedDaemon daemon("\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ask_daemon(daemon.socket(), "/api/v1/status");
  CHECK(daemon.request() == "http\nGET /api/v1/status HTTP/1.0\r\nHost: vipward\r\n\r\n");
}

TEST_CASE("a daemon whose proxy does not serve says why") {
  const ControlReply reply = ask_canned("HTTP/1.1 503 Service Unavailable\r\n\r\nthe proxy is restarted\n");
  CHECK(reply.down == "the proxy is restarted");
  CHECK(reply.body == "");
  CHECK(reply.error == "");
  CHECK(ask_canned("HTTP/1.1 503 x\r\n\r\n").error == "the daemon answers with HTTP status 503");
}

TEST_CASE("a command is a line, and so is its answer") {
  CHECK(command_canned("ok 10.0.0.22 took over in 3 ms\n").body == "10.0.0.22 took over in 3 ms");
  CHECK(command_canned("error nobody took over\n").error == "nobody took over");
  for (const char* nonsense : {"\n", "ok", "fine\n", "HTTP/1.1 200 OK\r\n\r\n", "ok x"})
    CHECK(command_canned(nonsense).error == "what answers is not vipward");
}

TEST_CASE("an answer of several lines arrives with all of them") {
  CHECK(command_canned("ok reloaded\napi: backend a added\n").body == "reloaded\napi: backend a added");
  CHECK(command_canned("error nothing changed\nf:1:1: wrong\n").error == "nothing changed\nf:1:1: wrong");
}

TEST_CASE("no answer at all is not taken for somebody else's") {
  const std::string none = "vipward closed the connection without an answer: its log says why";
  CHECK(command_canned("").error == none);
  CHECK(ask_canned("").error == none);
}

TEST_CASE("an answer that is not one is said to be none") {
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

TEST_CASE("status says DOWN and exits 1 when nothing serves") {
  for (const bool json : {false, true}) {
    CannedDaemon daemon("\r\n\r\n", "HTTP/1.1 503 x\r\n\r\nthe proxy died 3 times in 60 s\x1b[2J\n");
    const Outcome outcome =
        outcome_of<StatusCommand>(run_status, {.control_socket = daemon.socket(), .json = json});
    CHECK(outcome.exit_code == 1);
    const std::string text = "DOWN: the proxy died 3 times in 60 s?[2J\n";
    CHECK(outcome.out == (json ? "" : text));
    CHECK(outcome.err == (json ? text : ""));
  }
}

TEST_CASE("release and resume print what the daemon answers") {
  CannedDaemon taken("\n", "ok 10.0.0.22 took over in 3 ms\n");
  const Outcome good =
      outcome_of<ReleaseCommand>(run_release, {.control_socket = taken.socket(), .duration = 90s});
  CHECK(good.exit_code == 0);
  CHECK(good.out == "10.0.0.22 took over in 3 ms\n");
  CHECK(good.err == "");
  CHECK(taken.request() == "release 90000\n");

  CannedDaemon alone("\n", "error nobody took over, the address is here again\x1b\n");
  const Outcome bad = outcome_of<ReleaseCommand>(run_release, {.control_socket = alone.socket()});
  CHECK(bad.exit_code == 1);
  CHECK(bad.out == "");
  CHECK(bad.err == "vipward release: nobody took over, the address is here again?\n");
  CHECK(alone.request() == "release\n");

  CannedDaemon resumed("\n", "ok a candidate again\n");
  const Outcome again = outcome_of<ResumeCommand>(run_resume, {.control_socket = resumed.socket()});
  CHECK(again.exit_code == 0);
  CHECK(again.out == "a candidate again\n");
  CHECK(resumed.request() == "resume\n");
}

TEST_CASE("a long answer of a command is bounded, one of 64 KiB is not too long") {
  const std::string text(65'536 - 4, 'x');
  CHECK(command_canned("ok " + text + "\n").body == text);
  const CannedDaemon daemon("\n", "ok " + std::string(100'000, 'x') + "\n");
  CHECK(without_place(command_daemon(daemon.socket(), "reload", {.reply_bytes = 65'536}), daemon.socket())
            .error == "the answer is larger than 65536 bytes");
}

TEST_CASE("reload and upgrade print every line of the answer, each made printable by itself") {
  CannedDaemon done("\n", "ok reloaded: generation 2 serves, 3 sessions moved\napi: backend m4 \x1b added\n");
  const Outcome good = outcome_of<ReloadCommand>(run_reload, {.control_socket = done.socket()});
  CHECK(good.exit_code == 0);
  CHECK(good.out == "reloaded: generation 2 serves, 3 sessions moved\napi: backend m4 ? added\n");
  CHECK(good.err == "");
  CHECK(done.request() == "reload\n");

  CannedDaemon refused("\n", "error nothing changed\nf:1:1: wrong\nf:2:1: wrong too\n");
  const Outcome bad = outcome_of<UpgradeCommand>(run_upgrade, {.control_socket = refused.socket()});
  CHECK(bad.exit_code == 1);
  CHECK(bad.out == "");
  CHECK(bad.err == "vipward upgrade: nothing changed\nf:1:1: wrong\nf:2:1: wrong too\n");
  CHECK(refused.request() == "upgrade\n");
}

TEST_CASE("a reload whose daemon dies is an error, not a success") {
  CannedDaemon died("\n", "");
  const Outcome outcome = outcome_of<ReloadCommand>(run_reload, {.control_socket = died.socket()});
  CHECK(outcome.exit_code == 1);
  CHECK(outcome.err == "vipward reload: " + died.socket() +
                           ": vipward closed the connection without an answer: its log says why\n");
}

TEST_CASE("drain says its deadline in milliseconds, 0 where there is none") {
  CannedDaemon bounded("\n", "ok api/m2 is drained\ndo the same on the other host\n");
  const Outcome good = outcome_of<DrainCommand>(
      run_drain, {.control_socket = bounded.socket(), .backend = "api/m2", .deadline = 90s});
  CHECK(good.exit_code == 0);
  CHECK(good.out == "api/m2 is drained\ndo the same on the other host\n");
  CHECK(bounded.request() == "drain 90000 api/m2\n");

  CannedDaemon open_ended("\n", "error there is no backend m9\n");
  const Outcome bad =
      outcome_of<DrainCommand>(run_drain, {.control_socket = open_ended.socket(), .backend = "m9"});
  CHECK(bad.exit_code == 1);
  CHECK(bad.err == "vipward drain: there is no backend m9\n");
  CHECK(open_ended.request() == "drain 0 m9\n");

  CannedDaemon back("\n", "ok api/m2 gets new sessions again\n");
  CHECK(
      outcome_of<UndrainCommand>(run_undrain, {.control_socket = back.socket(), .backend = "m2"}).exit_code ==
      0);
  CHECK(back.request() == "undrain m2\n");
}

TEST_CASE("sessions are printed for people, or as they were served") {
  const std::string json = "{\"sessions\": [\n]}\n";
  const std::string answer =
      "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(json.size()) + "\r\n\r\n" + json;
  for (const bool as_json : {false, true}) {
    CannedDaemon daemon("\r\n\r\n", answer);
    const Outcome outcome =
        outcome_of<SessionsCommand>(run_sessions, {.control_socket = daemon.socket(), .json = as_json});
    CHECK(outcome.exit_code == 0);
    CHECK(outcome.out == (as_json ? json : "0 sessions\n"));
    CHECK(daemon.request().starts_with("http\nGET /api/v1/sessions HTTP/1.0\r\n"));
  }
}

TEST_CASE("sessions that are not to be had are an error with the reason") {
  CannedDaemon late("\r\n\r\n", "HTTP/1.1 503 x\r\n\r\nthe answer took too long\n");
  const Outcome slow = outcome_of<SessionsCommand>(run_sessions, {.control_socket = late.socket()});
  CHECK(slow.exit_code == 1);
  CHECK(slow.err == "vipward sessions: the answer took too long\n");
  CannedDaemon other("\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
  const Outcome odd = outcome_of<SessionsCommand>(run_sessions, {.control_socket = other.socket()});
  CHECK(odd.exit_code == 1);
  CHECK(odd.err == "vipward sessions: " + other.socket() + ": what answers is not vipward\n");
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
