// The control socket: who gets what of the stream, and that no client stands in another one's way.
#include "lb/guardian/control_server.h"

#include <list>

#include "lb/net/socket.h"
#include "tests/component/guardian/guardian_bench.h"
#include "tests/support/temp_dir.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// A server that does what it is told, and remembers what it was asked.
class ControlBench {
 public:
  ControlBench() : server_(std::in_place, loop_, listen_unix(path(), {}), handlers()) {}

  std::string path() const { return folder_.file("control.sock"); }
  UnixClient connect() const { return UnixClient(path()); }
  bool until(const std::function<bool()>& done) { return turn_until(loop_, done); }
  // Turns until the client's connection has ended; what it was told.
  std::string answer_to(UnixClient& client) {
    CHECK(until([&] { return client.has_ended(); }));
    return client.received();
  }
  std::string ask(std::string_view text) {
    UnixClient client = connect();
    client.say(text);
    return answer_to(client);
  }
  // Whatever the server was about to do, it has done: it takes clients and what they say in turn.
  void settle() { CHECK(ask("resume\n") == "ok resumed\n"); }

  // Goes on with the same sockets in another server, as the guardian's next image does.
  void replace_server() {
    ControlServer::Lent lent = server_->lent();
    // An exec leaves the numbers; here they are copied.
    Fd listener = duplicate_of(lent.listener);
    for (ControlServer::LentClient& client : lent.clients)
      client.socket = duplicate_of(client.socket).release();
    server_.emplace(loop_, std::move(listener), handlers());
    server_->adopt(lent.clients);
  }

  std::vector<Fd>& passed_on() { return passed_on_; }
  std::vector<CommandReply>& pending() { return pending_; }
  const std::vector<std::optional<std::chrono::milliseconds>>& releases() const { return releases_; }

 private:
  ControlServer::Handlers handlers() {
    return {.on_http = [this](Fd client) { passed_on_.push_back(std::move(client)); },
            .on_release =
                [this](ReleaseRequest request, CommandReply reply) {
                  releases_.push_back(request.limit);
                  pending_.push_back(std::move(reply));
                },
            .on_resume = [](CommandReply reply) { reply.succeed("resumed"); },
            .on_succession =
                [](SuccessionKind kind, CommandReply reply) {
                  reply.succeed(kind == SuccessionKind::Upgrade ? "upgrade" : "reload");
                },
            .on_drain = [](const DrainRequest& request,
                           CommandReply reply) { reply.succeed("drain " + request.name); },
            .on_undrain = [](const UndrainRequest& request,
                             CommandReply reply) { reply.succeed("undrain " + request.name); }};
  }

  TempDir folder_;
  Loop loop_;
  std::vector<Fd> passed_on_;
  std::vector<CommandReply> pending_;
  std::vector<std::optional<std::chrono::milliseconds>> releases_;
  std::optional<ControlServer> server_;
};

std::string unread_of(const Fd& socket) {
  std::array<char, 4096> chunk;
  const ssize_t count = recv(socket.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
  return count > 0 ? std::string(chunk.data(), static_cast<std::size_t>(count)) : std::string();
}

TEST_CASE("a client that says http is handed over with exactly what it has said after that line") {
  ControlBench bench;
  UnixClient client = bench.connect();
  SUBCASE("in one piece") {
    client.say("http\nGET / HTTP/1.1\r\n\r\n");
  }
  SUBCASE("in several") {
    client.say("ht");
    bench.settle();
    client.say("tp\nGET / ");
    client.say("HTTP/1.1\r\n\r\n");
  }
  SUBCASE("the line first") {
    client.say("http\n");
    REQUIRE(bench.until([&] { return !bench.passed_on().empty(); }));
    client.say("GET / HTTP/1.1\r\n\r\n");
  }
  REQUIRE(bench.until([&] { return !bench.passed_on().empty(); }));
  CHECK(unread_of(bench.passed_on().front()) == "GET / HTTP/1.1\r\n\r\n");
  // From now on it is nobody else's.
  const std::string_view answer = "HTTP/1.1 200 OK\r\n\r\n";
  send(bench.passed_on().front().get(), answer.data(), answer.size(), MSG_NOSIGNAL);
  bench.passed_on().clear();
  CHECK(bench.answer_to(client) == answer);
}

TEST_CASE("a command is answered with one line and the end, also when it comes in pieces") {
  ControlBench bench;
  CHECK(bench.ask("resume\n") == "ok resumed\n");
  UnixClient client = bench.connect();
  client.say("release 15");
  bench.settle();
  CHECK(bench.releases().empty());
  client.say("00\nwhat follows does not matter\n");
  REQUIRE(bench.until([&] { return !bench.pending().empty(); }));
  CHECK(bench.releases().front() == 1500ms);
  CHECK_FALSE(client.has_ended());
  SUBCASE("it went well") {
    bench.pending().front().succeed("released");
    CHECK(bench.answer_to(client) == "ok released\n");
  }
  SUBCASE("it did not") {
    bench.pending().front().fail("nobody took over");
    CHECK(bench.answer_to(client) == "error nobody took over\n");
  }
  SUBCASE("it is dropped unanswered") {
    bench.pending().clear();
    CHECK(bench.answer_to(client).empty());
  }
  SUBCASE("the client has left before") {
    client.leave();
    bench.pending().front().succeed("released");
    bench.settle();
  }
}

TEST_CASE("an unknown command's answer says which ones there are") {
  ControlBench bench;
  CHECK(bench.ask("reboot\n") ==
        "error unknown command, allowed: http, release [MILLISECONDS], resume, reload, upgrade, drain "
        "MILLISECONDS BACKEND, undrain BACKEND\n");
  CHECK(bench.ask("\n") ==
        "error unknown command, allowed: http, release [MILLISECONDS], resume, reload, upgrade, drain "
        "MILLISECONDS BACKEND, undrain BACKEND\n");
  CHECK(bench.ask("release soon\n") ==
        "error release takes a whole number of milliseconds, 1 to 31536000000\n");
  CHECK(bench.releases().empty());
}

TEST_CASE("a line has 256 bytes at most, its end among them") {
  ControlBench bench;
  CHECK(bench.ask(std::string(255, 'x') + "\n") ==
        "error unknown command, allowed: http, release [MILLISECONDS], resume, reload, upgrade, drain "
        "MILLISECONDS BACKEND, undrain BACKEND\n");
  CHECK(bench.ask(std::string(256, 'x') + "\n") == "error the line is longer than 256 bytes\n");
  CHECK(bench.ask(std::string(100'000, 'x')) == "error the line is longer than 256 bytes\n");
  CHECK(bench.ask(std::string(300, '\0')) == "error the line is longer than 256 bytes\n");
}

TEST_CASE("clients with half a line keep nobody waiting, and the oldest goes when there are too many") {
  ControlBench bench;
  std::list<UnixClient> halves;
  for (std::size_t i = 0; i < ControlServer::kMostClients - 1; ++i) {
    halves.push_back(bench.connect());
    halves.back().say("resum");
  }
  bench.settle();
  for (UnixClient& half : halves) CHECK_FALSE(half.has_ended());

  // There are as many as can be while this one is served, and one more then.
  UnixClient last = bench.connect();
  bench.settle();
  CHECK(bench.answer_to(halves.front()).empty());
  halves.pop_front();
  for (UnixClient& half : halves) {
    half.say("e\n");
    CHECK(bench.answer_to(half) == "ok resumed\n");
  }
  last.say("resume\n");
  CHECK(bench.answer_to(last) == "ok resumed\n");
}

TEST_CASE("clients that leave in the middle of a line leave nothing behind") {
  ControlBench bench;
  UnixClient patient = bench.connect();
  patient.say("res");
  for (std::size_t i = 0; i < 3 * ControlServer::kMostClients; ++i) {
    UnixClient client = bench.connect();
    client.say(i % 2 == 0 ? "resu" : "");
    client.leave();
    bench.settle();
  }
  patient.say("ume\n");
  CHECK(bench.answer_to(patient) == "ok resumed\n");
}

TEST_CASE("the server goes while clients are in the middle of a line: they see the end") {
  std::optional<ControlBench> bench(std::in_place);
  UnixClient client = bench->connect();
  client.say("resu");
  bench->settle();
  bench.reset();
  CHECK(client.has_ended());
}

TEST_CASE("reload and upgrade are told apart") {
  ControlBench bench;
  CHECK(bench.ask("reload\n") == "ok reload\n");
  CHECK(bench.ask("upgrade\n") == "ok upgrade\n");
}

TEST_CASE("a client that was half way through its line is served by the next image") {
  ControlBench bench;
  UnixClient half = bench.connect();
  half.say("res");
  bench.settle();
  UnixClient waiting = bench.connect();  // not accepted yet
  bench.replace_server();
  half.say("ume\n");
  CHECK(bench.answer_to(half) == "ok resumed\n");
  waiting.say("reload\n");
  CHECK(bench.answer_to(waiting) == "ok reload\n");
}

}  // namespace
}  // namespace vipward::test
