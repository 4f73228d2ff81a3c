// What a handler answers, and its form on the wire. Pure.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

namespace vipward {

inline constexpr std::string_view kPlainText = "text/plain; charset=utf-8";

struct HttpResponse;
// Gives an answer that took a while; call it on the loop's thread, once. Harmless if the client has left or
// has been told that it took too long.
using HttpReply = std::function<void(const HttpResponse&)>;

struct HttpResponse {
  int status = 200;
  std::string_view content_type = kPlainText;  // of static storage
  std::string body{};
  // Set: the rest is not meant, the answer comes through the reply that this is called with.
  std::function<void(HttpReply)> later{};
};

struct HttpFraming {
  bool keep_alive = false;
  bool head_only = false;  // the answer to HEAD: the length of the body without the body
  std::chrono::system_clock::time_point date;
};
// HTTP/1.1 head and body. A 405 carries Allow: GET, HEAD.
std::string serialize_response(const HttpResponse& response, const HttpFraming& framing);

}  // namespace vipward
