#include "lb/guardian/control_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "lb/net/address.h"
#include "lb/net/socket.h"

namespace vipward {
namespace {

// More of a command line than this is never needed.
constexpr std::int64_t kLongestHold = std::int64_t{1000} * 60 * 60 * 24 * 365;

}  // namespace

void CommandReply::say(const std::string& line) {
  if (!client_) return;
  // One short write into an empty socket: it is taken whole, or the client does not read.
  send(client_.get(), line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  client_.reset();
}

namespace {

// The rest of the line after `word` and a space.
std::optional<std::string_view> argument_of(std::string_view line, std::string_view word) {
  if (line.size() <= word.size() || !line.starts_with(word) || line[word.size()] != ' ') return std::nullopt;
  return line.substr(word.size() + 1);
}

// Least to most, whole milliseconds.
std::optional<std::chrono::milliseconds> parse_time(std::string_view text, std::int64_t least) {
  std::int64_t milliseconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), milliseconds);
  if (error != std::errc{} || end != text.data() + text.size() || milliseconds < least ||
      milliseconds > kLongestHold)
    return std::nullopt;
  return std::chrono::milliseconds(milliseconds);
}

ControlRequest parse_drain(std::string_view argument) {
  const std::size_t space = argument.find(' ');
  const auto limit = parse_time(argument.substr(0, space), 0);
  if (!limit || space == std::string_view::npos || space + 1 == argument.size())
    return BadRequest{"drain takes a whole number of milliseconds, 0 for no deadline, and a backend"};
  return DrainRequest{.name = std::string(argument.substr(space + 1)),
                      .limit = limit->count() > 0 ? limit : std::nullopt};
}

}  // namespace

ControlRequest parse_control_request(std::string_view line) {
  if (line == "http") return HttpRequestLine{};
  if (line == "resume") return ResumeRequest{};
  if (line == "reload") return SuccessionKind::Reload;
  if (line == "upgrade") return SuccessionKind::Upgrade;
  if (line == "release") return ReleaseRequest{};
  if (const auto argument = argument_of(line, "release")) {
    if (const auto limit = parse_time(*argument, 1)) return ReleaseRequest{.limit = limit};
    return BadRequest{"release takes a whole number of milliseconds, 1 to " + std::to_string(kLongestHold)};
  }
  if (const auto argument = argument_of(line, "drain")) return parse_drain(*argument);
  if (const auto argument = argument_of(line, "undrain")) {
    if (argument->empty()) return BadRequest{"undrain takes a backend"};
    return UndrainRequest{std::string(*argument)};
  }
  return BadRequest{
      "unknown command, allowed: http, release [MILLISECONDS], resume, reload, upgrade, drain MILLISECONDS "
      "BACKEND, undrain BACKEND"};
}

struct ControlServer::Client {
  Client(Loop& loop, Fd accepted, const std::function<void(Client&)>& on_readable)
      : socket(std::move(accepted)),
        since(loop.now()),
        poll(loop, socket.get(), [this, on_readable](Poll::Ready) { on_readable(*this); }) {
    poll.watch({.read = true});
  }
  Fd socket;
  TimePoint since;
  std::string line;
  Poll poll;  // after `socket`: goes first
};

ControlServer::ControlServer(Loop& loop, Fd listener, Handlers handlers)
    : loop_(loop),
      listener_(std::move(listener)),
      handlers_(std::move(handlers)),
      poll_(loop, listener_.get(), [this](Poll::Ready) { accept_some(); }),
      late_(loop, [this] { drop_late(); }) {
  poll_.watch({.read = true});
}

ControlServer::~ControlServer() = default;

ControlServer::Lent ControlServer::lent() const {
  Lent lent{.listener = listener_.get(), .clients = {}};
  for (const auto& client : clients_)
    lent.clients.push_back({.socket = client->socket.get(), .line = client->line});
  return lent;
}

void ControlServer::adopt(const std::vector<LentClient>& clients) {
  for (const LentClient& client : clients) welcome(Fd(client.socket)).line = client.line;
}

ControlServer::Client& ControlServer::welcome(Fd socket) {
  if (clients_.size() >= kMostClients) clients_.erase(clients_.begin());
  clients_.push_back(
      std::make_unique<Client>(loop_, std::move(socket), [this](Client& client) { read_line(client); }));
  if (clients_.size() == 1) late_.arm_after(kPatience);
  return *clients_.back();
}

void ControlServer::accept_some() {
  SocketAddress peer;
  Fd accepted = accept_from(listener_.get(), peer);
  if (!accepted) {
    // Level-triggered: without a descriptor it would come again at once.
    if (is_shortage(errno)) {
      poll_.watch({});
      late_.arm_after(kPatience / 10);
    }
    return;
  }
  welcome(std::move(accepted));
}

// Byte by byte: what follows the line is not ours to read.
void ControlServer::read_line(Client& client) {
  while (client.line.size() < kLongestLine) {
    char next = 0;
    const ssize_t count = recv(client.socket.get(), &next, 1, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) return remove(client);
    if (next == '\n') {
      Fd socket = std::move(client.socket);
      const std::string line = client.line;
      remove(client);
      return dispatch(std::move(socket), line);
    }
    client.line += next;
  }
  Fd socket = std::move(client.socket);
  remove(client);
  CommandReply(std::move(socket)).fail("the line is longer than " + std::to_string(kLongestLine) + " bytes");
}

void ControlServer::dispatch(Fd client, const std::string& line) {
  ControlRequest request = parse_control_request(line);
  if (std::holds_alternative<HttpRequestLine>(request)) return handlers_.on_http(std::move(client));
  CommandReply reply(std::move(client));
  if (const auto* release = std::get_if<ReleaseRequest>(&request)) {
    handlers_.on_release(*release, std::move(reply));
  } else if (std::holds_alternative<ResumeRequest>(request)) {
    handlers_.on_resume(std::move(reply));
  } else if (const auto* kind = std::get_if<SuccessionKind>(&request)) {
    handlers_.on_succession(*kind, std::move(reply));
  } else if (const auto* drain = std::get_if<DrainRequest>(&request)) {
    handlers_.on_drain(*drain, std::move(reply));
  } else if (const auto* undrain = std::get_if<UndrainRequest>(&request)) {
    handlers_.on_undrain(*undrain, std::move(reply));
  } else {
    reply.fail(std::get<BadRequest>(request).text);
  }
}

void ControlServer::remove(const Client& client) {
  std::erase_if(clients_, [&](const auto& other) { return other.get() == &client; });
}

void ControlServer::drop_late() {
  poll_.watch({.read = true});
  const TimePoint now = loop_.now();
  std::erase_if(clients_, [&](const auto& client) { return now - client->since >= kPatience; });
  if (!clients_.empty()) late_.arm_at(clients_.front()->since + kPatience);
}

}  // namespace vipward
