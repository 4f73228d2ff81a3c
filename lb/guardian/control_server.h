// The control socket: who may open it may command vipward. A client says one line: `http`, and speaks HTTP
// with the proxy from then on, or a command, which gets one line as its answer. Owner: the GuardianApp; main
// thread. Bounded in connections, bytes and time; a client that is slow or silent costs nobody anything.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "lb/event/loop.h"
#include "lb/event/poll.h"
#include "lb/event/timer.h"
#include "lb/net/fd.h"

namespace vipward {

// What a command's client waits for. Answer once; one that is dropped unanswered closes the connection.
class CommandReply {
 public:
  explicit CommandReply(Fd client) : client_(std::move(client)) {}
  // "ok TEXT" or "error TEXT", then the end. A client that has left does not matter.
  void succeed(const std::string& text) { say("ok " + text + "\n"); }
  void fail(const std::string& text) { say("error " + text + "\n"); }
  // Nobody will be answered.
  bool is_over() const { return !client_; }
  // For a next image, by number.
  int fd() const { return client_.get(); }

 private:
  void say(const std::string& line);

  Fd client_;
};

struct ReleaseRequest {
  std::optional<std::chrono::milliseconds> limit;  // absent: until resume
};
struct ResumeRequest {};
enum class SuccessionKind : std::uint8_t {
  Reload,   // another configuration, the same binary
  Upgrade,  // the binary on disk as well
};
struct DrainRequest {
  std::string name;                                // [SERVICE/]BACKEND
  std::optional<std::chrono::milliseconds> limit;  // absent: its sessions go on until they end
};
struct UndrainRequest {
  std::string name;
};
struct HttpRequestLine {};
struct BadRequest {
  std::string text;
};
using ControlRequest = std::variant<HttpRequestLine, ReleaseRequest, ResumeRequest, SuccessionKind,
                                    DrainRequest, UndrainRequest, BadRequest>;
// The line without its end. Pure.
ControlRequest parse_control_request(std::string_view line);

class ControlServer {
 public:
  struct Handlers {
    std::function<void(Fd client)> on_http;
    std::function<void(ReleaseRequest, CommandReply)> on_release;
    std::function<void(CommandReply)> on_resume;
    std::function<void(SuccessionKind, CommandReply)> on_succession;
    std::function<void(const DrainRequest&, CommandReply)> on_drain;
    std::function<void(const UndrainRequest&, CommandReply)> on_undrain;
  };
  static constexpr std::size_t kMostClients = 32;
  static constexpr std::size_t kLongestLine = 256;
  static constexpr Duration kPatience = std::chrono::seconds(5);

  // `listener`: a listening unix socket.
  ControlServer(Loop& loop, Fd listener, Handlers handlers);
  ~ControlServer();
  // Everything by number, for the guardian's next image: clients that have not said their line yet, too.
  struct LentClient {
    int socket = -1;
    std::string line;
  };
  struct Lent {
    int listener = -1;
    std::vector<LentClient> clients;
  };
  Lent lent() const;
  // Clients of an earlier image; their patience starts over.
  void adopt(const std::vector<LentClient>& clients);
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

 private:
  struct Client;

  Client& welcome(Fd socket);
  void accept_some();
  void read_line(Client& client);
  void dispatch(Fd client, const std::string& line);
  void remove(const Client& client);
  void drop_late();

  Loop& loop_;
  Fd listener_;
  Handlers handlers_;
  std::vector<std::unique_ptr<Client>> clients_;  // that have not said their line yet, oldest first
  Poll poll_;
  Timer late_;
};

}  // namespace vipward
