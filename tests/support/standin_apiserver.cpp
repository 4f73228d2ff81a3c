// standin-apiserver: answers like a kube-apiserver where that is all a test or a demonstration needs. One
// thread per connection, HTTP/1.1 with keep-alive over TLS; plain HTTP and plain bytes on the same port.
//
//   GET /healthz, /readyz   200 "ok", or what was said with /control
//   GET /, /whoami          the name and a line end
//   GET /stream?bytes=N     N bytes
//   GET /watch              a line every 100 ms, chunked, until one side ends it
//   PUT /control?readyz=500&healthz=500&delay_ms=300&skew_seconds=60
//                           status codes of the two, delay of their answers, shift of the Date header
//
// A first byte that is neither TLS nor HTTP is answered with the name, and what follows is echoed.
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <ctime>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "lb/net/address.h"
#include "lb/net/fd.h"

namespace {

using vipward::Fd;
using vipward::SocketAddress;

constexpr std::size_t kMaxHead = 16384;
constexpr unsigned char kTlsHandshake = 0x16;

struct Arguments {
  std::string listen = "127.0.0.1:0";
  std::string name = "standin";
  std::string certificate_file;
  std::string key_file;
  std::string client_ca_file;
  std::string token;
};

// What /control changes; read by every connection's thread.
struct Control {
  std::atomic<int> healthz{200};
  std::atomic<int> readyz{200};
  std::atomic<int> delay_ms{0};
  std::atomic<int> skew_seconds{0};
};

using TlsContext = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

TlsContext make_tls(const Arguments& arguments) {
  TlsContext context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (SSL_CTX_use_certificate_chain_file(context.get(), arguments.certificate_file.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context.get(), arguments.key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1) {
    throw std::runtime_error("cannot use " + arguments.certificate_file + " with " + arguments.key_file);
  }
  const std::string_view session_context = "standin";
  SSL_CTX_set_session_id_context(context.get(),
                                 reinterpret_cast<const unsigned char*>(session_context.data()),
                                 static_cast<unsigned>(session_context.size()));
  SSL_CTX_set_options(context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  if (!arguments.client_ca_file.empty()) {
    if (SSL_CTX_load_verify_locations(context.get(), arguments.client_ca_file.c_str(), nullptr) != 1) {
      throw std::runtime_error("cannot use " + arguments.client_ca_file);
    }
    // Like an apiserver: a certificate is asked for, and its absence is a matter of the request.
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  }
  return context;
}

Fd listen_on(const SocketAddress& address) {
  Fd listener(socket(address.ip().family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_storage storage{};
  const socklen_t size = address.to_sockaddr(storage);
  if (bind(listener.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0 ||
      listen(listener.get(), 4096) != 0) {
    throw std::system_error(errno, std::generic_category(), address.to_string());
  }
  return listener;
}

// A connection's bytes, with TLS or without; blocking.
class Peer {
 public:
  Peer(Fd socket, SSL_CTX* tls) : socket_(std::move(socket)), tls_(tls) {}
  ~Peer() {
    if (ssl_ == nullptr) return;
    if (!failed_) SSL_shutdown(ssl_);
    SSL_free(ssl_);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // The first byte, still there to be read; nothing if none came.
  std::optional<unsigned char> peek() const {
    unsigned char byte = 0;
    if (recv(socket_.get(), &byte, 1, MSG_PEEK) != 1) return std::nullopt;
    return byte;
  }
  bool start_tls() {
    ssl_ = SSL_new(tls_);
    SSL_set_fd(ssl_, socket_.get());
    failed_ = SSL_accept(ssl_) != 1;
    return !failed_;
  }
  bool is_tls() const { return ssl_ != nullptr; }
  bool has_certificate() const { return ssl_ != nullptr && SSL_get0_peer_certificate(ssl_) != nullptr; }

  // Appends what comes next; false at the end of the stream or after an error.
  bool read(std::string& into) {
    std::array<char, 4096> buffer;
    const auto count = ssl_ != nullptr ? SSL_read(ssl_, buffer.data(), buffer.size())
                                       : recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (count <= 0) failed_ = true;
    if (count > 0) into.append(buffer.data(), static_cast<std::size_t>(count));
    return count > 0;
  }
  bool write(std::string_view data) {
    while (!data.empty()) {
      const auto count = ssl_ != nullptr
                             ? SSL_write(ssl_, data.data(), static_cast<int>(std::min(data.size(), kMaxHead)))
                             : send(socket_.get(), data.data(), data.size(), MSG_NOSIGNAL);
      if (count <= 0) {
        failed_ = true;
        return false;
      }
      data.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }

 private:
  Fd socket_;
  SSL_CTX* tls_;
  SSL* ssl_ = nullptr;
  bool failed_ = false;
};

struct Request {
  std::string method;
  std::string path;
  std::map<std::string, std::string> query;
  std::map<std::string, std::string> headers;  // names in lower case
};

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

long number(const std::map<std::string, std::string>& values, const std::string& key, long otherwise) {
  const auto found = values.find(key);
  if (found == values.end()) return otherwise;
  long value = otherwise;
  std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
  return value;
}

void parse_target(std::string_view target, Request& request) {
  const auto question = target.find('?');
  request.path = target.substr(0, question);
  if (question == std::string_view::npos) return;
  std::string_view query = target.substr(question + 1);
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    const auto equals = pair.find('=');
    if (equals != std::string_view::npos)
      request.query.emplace(pair.substr(0, equals), pair.substr(equals + 1));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
  }
}

// `head` ends with an empty line.
std::optional<Request> parse_request(std::string_view head) {
  Request request;
  const std::string_view first = head.substr(0, head.find("\r\n"));
  const auto method_end = first.find(' ');
  const auto target_end = first.rfind(' ');
  if (method_end == std::string_view::npos || target_end <= method_end) return std::nullopt;
  request.method = first.substr(0, method_end);
  parse_target(first.substr(method_end + 1, target_end - method_end - 1), request);
  head.remove_prefix(first.size() + 2);
  while (!head.empty()) {
    const std::string_view line = head.substr(0, head.find("\r\n"));
    head.remove_prefix(std::min(head.size(), line.size() + 2));
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const auto value = line.find_first_not_of(' ', colon + 1);
    request.headers[lower(std::string(line.substr(0, colon)))] =
        value == std::string_view::npos ? "" : line.substr(value);
  }
  return request;
}

class Connection {
 public:
  Connection(Fd socket, SSL_CTX* tls, const Arguments& arguments, Control& control)
      : peer_(std::move(socket), tls), arguments_(arguments), control_(control) {}

  void serve() {
    const auto first = peer_.peek();
    if (!first) return;
    if (*first == kTlsHandshake) {
      if (!peer_.start_tls()) return;
    } else if (*first < 'A' || *first > 'Z') {
      return echo();
    }
    while (serve_request()) {
    }
  }

 private:
  void echo() {
    std::string data;
    if (!peer_.read(data) || !peer_.write(arguments_.name + "\n")) return;
    for (data.clear(); peer_.read(data) && peer_.write(data); data.clear()) {
    }
  }

  // False: the connection is over.
  bool serve_request() {
    std::size_t head_end = 0;
    while ((head_end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (received_.size() > kMaxHead || !peer_.read(received_)) return false;
    }
    const auto request = parse_request(std::string_view(received_).substr(0, head_end + 2));
    received_.erase(0, head_end + 4);
    if (!request) return answer(400, "bad request\n"), false;
    auto body_rest = static_cast<std::size_t>(std::max(number(request->headers, "content-length", 0), 0L));
    while (received_.size() < body_rest) {
      body_rest -= received_.size();
      received_.clear();
      if (!peer_.read(received_)) return false;
    }
    received_.erase(0, body_rest);
    const auto connection = request->headers.find("connection");
    closes_ = connection != request->headers.end() && lower(connection->second) == "close";
    return respond(*request) && !closes_;
  }

  bool is_authorized(const Request& request) const {
    if (arguments_.client_ca_file.empty() && arguments_.token.empty()) return true;
    if (peer_.has_certificate()) return true;
    const auto header = request.headers.find("authorization");
    return !arguments_.token.empty() && header != request.headers.end() &&
           header->second == "Bearer " + arguments_.token;
  }

  bool respond(const Request& request) {
    if (request.path == "/control" && request.method == "PUT") return respond_control(request);
    if (!is_authorized(request)) return answer(401, "Unauthorized\n");
    if (request.method != "GET") return answer(405, "method not allowed\n");
    if (request.path == "/healthz") return respond_health(control_.healthz);
    if (request.path == "/readyz") return respond_health(control_.readyz);
    if (request.path == "/" || request.path == "/whoami") return answer(200, arguments_.name + "\n");
    if (request.path == "/stream") return respond_stream(number(request.query, "bytes", 0));
    if (request.path == "/watch") return respond_watch();
    return answer(404, "404 page not found\n");
  }

  bool respond_control(const Request& request) {
    const auto set = [&](const char* key, std::atomic<int>& value) {
      value = static_cast<int>(number(request.query, key, value));
    };
    set("healthz", control_.healthz);
    set("readyz", control_.readyz);
    set("delay_ms", control_.delay_ms);
    set("skew_seconds", control_.skew_seconds);
    return answer(200, "ok\n");
  }

  bool respond_health(int status) {
    std::this_thread::sleep_for(std::chrono::milliseconds(control_.delay_ms));
    return answer(status, status == 200 ? "ok" : "not ok\n");
  }

  bool respond_stream(long bytes) {
    const std::string block(65536, 'x');
    auto rest = static_cast<std::size_t>(std::max(bytes, 0L));
    if (!peer_.write(head(200, "Content-Length: " + std::to_string(rest)))) return false;
    while (rest > 0) {
      const std::size_t count = std::min(rest, block.size());
      if (!peer_.write(std::string_view(block).substr(0, count))) return false;
      rest -= count;
    }
    return true;
  }

  // Ends when the client does: a write fails then.
  bool respond_watch() {
    if (!peer_.write(head(200, "Transfer-Encoding: chunked"))) return false;
    for (long n = 1;; ++n) {
      const std::string line = "{\"from\":\"" + arguments_.name + "\",\"event\":" + std::to_string(n) + "}\n";
      std::array<char, 16> size{};
      const auto end = std::to_chars(size.data(), size.data() + size.size(), line.size(), 16).ptr;
      if (!peer_.write(std::string(size.data(), end) + "\r\n" + line + "\r\n")) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }

  std::string head(int status, const std::string& length) const {
    const std::time_t now = std::time(nullptr) + control_.skew_seconds;
    std::tm utc{};
    gmtime_r(&now, &utc);
    std::array<char, 64> date{};
    std::strftime(date.data(), date.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
    return "HTTP/1.1 " + std::to_string(status) + (status == 200 ? " OK" : " Not OK") +
           "\r\nDate: " + date.data() + "\r\nContent-Type: text/plain; charset=utf-8\r\n" +
           (closes_ ? "Connection: close\r\n" : "") + length + "\r\n\r\n";
  }

  bool answer(int status, const std::string& body) {
    return peer_.write(head(status, "Content-Length: " + std::to_string(body.size())) + body);
  }

  Peer peer_;
  const Arguments& arguments_;
  Control& control_;
  std::string received_;
  bool closes_ = false;
};

class Server {
 public:
  explicit Server(const Arguments& arguments)
      : arguments_(arguments), tls_(make_tls(arguments)), listener_(listen_on(parse(arguments.listen))) {}

  // Never returns.
  [[noreturn]] void run() {
    std::cout << "listening on " << SocketAddress::local_of(listener_.get()).to_string() << std::endl;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    for (;;) {
      Fd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!socket) {
        // Out of descriptors, or the client has gone again.
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        continue;
      }
      const int on = 1;
      setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      auto connection = std::make_unique<Connection>(std::move(socket), tls_.get(), arguments_, control_);
      pthread_t thread;
      if (pthread_create(&thread, &attributes, serve, connection.get()) == 0) (void)connection.release();
    }
  }

 private:
  static void* serve(void* argument) {
    const std::unique_ptr<Connection> connection(static_cast<Connection*>(argument));
    connection->serve();
    ERR_clear_error();
    return nullptr;
  }
  static SocketAddress parse(const std::string& text) {
    const auto address = SocketAddress::parse(text);
    if (!address) throw std::runtime_error("--listen takes ADDRESS:PORT, not " + text);
    return *address;
  }

  const Arguments& arguments_;
  TlsContext tls_;
  Fd listener_;
  Control control_;
};

void exit_at_once(int) {
  _exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("A small stand-in for a kube-apiserver, for tests and demonstrations");
  app.add_option("--listen", arguments.listen, "ADDRESS:PORT; port 0: any");
  app.add_option("--name", arguments.name, "What / and /whoami answer");
  app.add_option("--cert", arguments.certificate_file, "PEM file")->required();
  app.add_option("--key", arguments.key_file, "PEM file")->required();
  app.add_option("--client-ca", arguments.client_ca_file,
                 "Requests without a client certificate of it get 401");
  app.add_option("--token", arguments.token, "This bearer token will do as well");
  CLI11_PARSE(app, argc, argv);

  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGTERM, exit_at_once);
  std::signal(SIGINT, exit_at_once);
  rlimit descriptors{};
  getrlimit(RLIMIT_NOFILE, &descriptors);
  descriptors.rlim_cur = descriptors.rlim_max;
  setrlimit(RLIMIT_NOFILE, &descriptors);
  try {
    Server(arguments).run();
  } catch (const std::exception& error) {
    std::cerr << "standin-apiserver: " << error.what() << "\n";
    return 1;
  }
}
