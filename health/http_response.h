// One HTTP/1 response to a GET, read in pieces of any size in bounded memory: nothing of the body is kept.
// Pure. Owner: a Check, one per request. Responses of 1xx are skipped.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace vipward {

class HttpResponseReader {
 public:
  static constexpr std::size_t kMaxHeaderBytes =
      std::size_t{16} * 1024;  // with status line and 1xx before it
  static constexpr std::size_t kMaxBodyBytes =
      std::size_t{64} * 1024;  // as transferred, chunk lines included

  HttpResponseReader();
  ~HttpResponseReader();
  HttpResponseReader(HttpResponseReader&&) noexcept;
  HttpResponseReader& operator=(HttpResponseReader&&) noexcept;

  enum class Progress : std::uint8_t { NeedsMore, Complete, Failed };
  // Once Complete or Failed it stays so. Bytes after the end of the response make the connection unfit for
  // another request.
  Progress feed(std::string_view bytes);
  // The peer has closed its end: the end of a body without a length, else a failure.
  Progress feed_end();

  Progress progress() const;
  // Any byte so far?
  bool has_begun() const;
  // Complete:
  int status() const;
  std::optional<std::chrono::sys_seconds> date() const;
  bool keep_alive() const;
  // Failed: "not HTTP: the server speaks TLS", "response too large: more than 64 KiB".
  const std::string& error() const;

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace vipward
