// The head of one HTTP/1.x request, read byte by byte as it arrives, in bounded memory. Pure: no socket, no
// clock. Requests with a body are refused: nothing here takes one. Owner: a connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace vipward {

enum class HttpMethod : std::uint8_t { Get, Head, Other };

struct HttpRequest {
  HttpMethod method = HttpMethod::Other;
  std::string path;         // "/metrics": as sent, without query and fragment, not decoded
  bool keep_alive = false;  // what the client asks for
};

class HttpRequestParser {
 public:
  static constexpr std::size_t kMaxHeadBytes = 8192;

  HttpRequestParser();
  ~HttpRequestParser();
  HttpRequestParser(HttpRequestParser&&) noexcept;
  HttpRequestParser& operator=(HttpRequestParser&&) noexcept;

  // Takes bytes until the request is complete or wrong; returns how many it took. What is left belongs to the
  // next request. Takes nothing once complete or wrong.
  std::size_t feed(std::string_view bytes);

  bool is_complete() const;
  // 0, or the status to answer before closing: 400 not HTTP/1.x, 413 has a body, 431 head too large.
  int error_status() const;
  // Nothing of a request has arrived yet.
  bool is_empty() const;
  // Whole once complete; after an error as far as it was understood.
  const HttpRequest& request() const;
  // Starts over for the next request on the connection.
  void reset();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vipward
