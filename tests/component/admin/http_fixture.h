// A server on a loop of its own thread, and a client that is plain about what it sends.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "lb/admin/http_server.h"
#include "lb/net/socket.h"

namespace vipward {

inline constexpr std::size_t kLargeBytes = 16 << 20;

// /large answers 16 MiB, /missing 404, everything else "METHOD PATH\n".
inline HttpResponse answer_plainly(const HttpRequest& request) {
  if (request.path == "/large") return {.body = std::string(kLargeBytes, 'x')};
  if (request.path == "/missing") return {.status = 404, .body = "not found\n"};
  return {.body = (request.method == HttpMethod::Head ? "HEAD " : "GET ") + request.path + "\n"};
}

class ServerThread {
 public:
  explicit ServerThread(HttpServer::Options options = {})
      : ServerThread(std::move(options), listen_tcp(*SocketAddress::parse("127.0.0.1:0"))) {}
  ServerThread(HttpServer::Options options, HttpHandler handler)
      : ServerThread(std::move(options), listen_tcp(*SocketAddress::parse("127.0.0.1:0")),
                     std::move(handler)) {}
  ServerThread(HttpServer::Options options, Fd listener, HttpHandler handler = answer_plainly)
      : address_(SocketAddress::local_of(listener.get())),
        null_(::open("/dev/null", O_WRONLY | O_CLOEXEC)),
        log_({.fd = null_.get()}),
        thread_([this, listener = std::move(listener), options = std::move(options),
                 handler = std::move(handler)]() mutable {
          HttpServer server(loop_, log_, std::move(listener), std::move(options), std::move(handler));
          server_ = &server;
          loop_.run();
        }) {}
  ~ServerThread() { stop(); }
  ServerThread(const ServerThread&) = delete;
  ServerThread& operator=(const ServerThread&) = delete;

  void stop() {
    if (!thread_.joinable()) return;
    loop_.stop();
    thread_.join();
  }
  const SocketAddress& address() const { return address_; }
  // On the loop's thread; returns when it is done.
  void run_on_loop(const std::function<void()>& task) {
    std::promise<void> done;
    loop_.post([&] {
      task();
      done.set_value();
    });
    done.get_future().get();
  }
  std::size_t connection_count() {
    std::promise<std::size_t> count;
    loop_.post([&] { count.set_value(server_->connection_count()); });
    return count.get_future().get();
  }
  bool wait_for_connections(std::size_t expected) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (connection_count() != expected) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }

 private:
  SocketAddress address_;
  Fd null_;
  Log log_;
  Loop loop_;
  HttpServer* server_ = nullptr;  // on the loop's thread
  std::thread thread_;
};

class Client {
 public:
  explicit Client(const SocketAddress& server) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_storage storage{};
    const socklen_t length = server.to_sockaddr(storage);
    connect_to(reinterpret_cast<const sockaddr*>(&storage), length);
    const int on = 1;
    setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  explicit Client(Fd socket) : socket_(std::move(socket)) { limit_waiting(); }
  explicit Client(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    connect_to(reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0) {
        // The kernel tells a reset once: a recv after this would say end of stream.
        was_reset_ = was_reset_ || errno == ECONNRESET;
        return false;
      }
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  // One response, its body by Content-Length unless it answers HEAD; what follows stays. "" if there is none.
  std::string response(bool to_head = false) {
    std::size_t head_end = 0;
    while ((head_end = received_.find("\r\n\r\n")) == std::string::npos)
      if (receive() <= 0) return "";
    std::size_t length = head_end + 4;
    if (!to_head) {
      const auto at = received_.find("Content-Length: ");
      REQUIRE(at < head_end);
      length += std::stoul(received_.substr(at + 16, 20));
    }
    while (received_.size() < length)
      if (receive() <= 0) return "";
    std::string result = received_.substr(0, length);
    received_.erase(0, length);
    return result;
  }
  // How the connection ends: "end", "reset", "timeout"; "data" if something comes first.
  std::string ending() {
    if (!received_.empty()) return "data";
    if (was_reset_) return "reset";
    const ssize_t got = receive();
    if (got > 0) return "data";
    if (got == 0) return "end";
    return errno == ECONNRESET || errno == EPIPE ? "reset" : "timeout";
  }
  void shut_down_sending() { ::shutdown(socket_.get(), SHUT_WR); }
  void reset() {
    set_reset_on_close(socket_.get());
    socket_.reset();
  }
  int fd() const { return socket_.get(); }

 private:
  void limit_waiting() const {
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }
  void connect_to(const sockaddr* address, socklen_t length) {
    limit_waiting();
    REQUIRE(::connect(socket_.get(), address, length) == 0);
  }
  ssize_t receive() {
    std::array<char, 65536> buffer;
    const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (got > 0) received_.append(buffer.data(), static_cast<std::size_t>(got));
    return got;
  }

  Fd socket_;
  std::string received_;
  bool was_reset_ = false;
};

inline bool is_served(const SocketAddress& server) {
  Client client(server);
  return client.send("GET /is-served HTTP/1.1\r\nConnection: close\r\n\r\n") &&
         client.response().ends_with("\r\n\r\nGET /is-served\n");
}

}  // namespace vipward
