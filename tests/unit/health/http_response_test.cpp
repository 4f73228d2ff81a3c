#include "health/http_response.h"

#include <doctest/doctest.h>

#include <string>

namespace vipward {
namespace {

using Progress = HttpResponseReader::Progress;

HttpResponseReader whole(std::string_view bytes) {
  HttpResponseReader response;
  response.feed(bytes);
  return response;
}

HttpResponseReader byte_by_byte(std::string_view bytes) {
  HttpResponseReader response;
  for (const char& byte : bytes) response.feed({&byte, 1});
  return response;
}

void check_complete(std::string_view bytes, int status, bool keep_alive) {
  CAPTURE(bytes.substr(0, 100));
  for (const auto& read : {whole, byte_by_byte}) {
    const HttpResponseReader response = read(bytes);
    REQUIRE(response.progress() == Progress::Complete);
    CHECK(response.status() == status);
    CHECK(response.keep_alive() == keep_alive);
  }
}

void check_failed(std::string_view bytes, const std::string& error) {
  CAPTURE(bytes.substr(0, 100));
  const HttpResponseReader response = whole(bytes);
  CHECK(response.progress() == Progress::Failed);
  CHECK(response.error() == error);
  CHECK(byte_by_byte(bytes).progress() == Progress::Failed);
}

}  // namespace

TEST_CASE("status lines that are read") {
  check_complete("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, true);
  check_complete("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, true);
  check_complete("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", 200, true);
  check_complete("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno", 500, true);
  check_complete("HTTP/1.0 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", 503, false);
  check_complete("HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 429,
                 false);
  check_complete("HTTP/1.1 999 \xc3\xa4\r\nContent-Length: 0\r\n\r\n", 999, true);
}

TEST_CASE("status lines that are refused") {
  check_failed("HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", "malformed response: HTTP/2 status 200");
  check_failed("HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", "malformed response: HTTP/1 status 20");
  check_failed("HTTP/1.1 abc OK\r\n\r\n", "not HTTP: it begins with \"HTTP/1.1 abc OK\"");
  check_failed("HTTP/x.1 200 OK\r\n\r\n", "not HTTP: it begins with \"HTTP/x.1 200 OK\"");
  check_failed("HTTP/1.1 99999 OK\r\n\r\n", "malformed response: invalid HTTP status code");
  check_failed("GET / HTTP/1.1\r\n\r\n", "not HTTP: it begins with \"GET / HTTP/1.1\"");
}

TEST_CASE("other protocols are named") {
  check_failed("SSH-2.0-OpenSSH_9.2\r\n", "not HTTP: it begins with \"SSH-2.0-OpenSSH_9.2\"");
  check_failed("+OK \"ready\"\t\r\n", "not HTTP: it begins with \"+OK ?ready??\"");
  check_failed(std::string_view("\x15\x03\x01\x00\x02\x02\x46", 7), "not HTTP: the server speaks TLS");
  check_failed(std::string_view("\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03", 11),
               "not HTTP: the server speaks HTTP/2");
}

TEST_CASE("a body with a length ends where the length says") {
  HttpResponseReader response = whole("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab");
  CHECK(response.progress() == Progress::NeedsMore);
  CHECK(response.feed("c") == Progress::Complete);
  CHECK(response.keep_alive());
}

TEST_CASE("a chunked body ends with its last chunk and the trailers") {
  check_complete(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nDate: never\r\n\r\n", 200,
      true);
}

TEST_CASE("a body without a length ends with the connection") {
  HttpResponseReader response = whole("HTTP/1.1 200 OK\r\n\r\nok");
  CHECK(response.progress() == Progress::NeedsMore);
  CHECK(response.feed_end() == Progress::Complete);
  CHECK(response.status() == 200);
  CHECK_FALSE(response.keep_alive());
}

TEST_CASE("204 and 304 have no body, whatever their headers say") {
  check_complete("HTTP/1.1 204 No Content\r\n\r\n", 204, true);
  check_complete("HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", 304, true);
}

TEST_CASE("bytes after the end make the connection unfit for another request") {
  const HttpResponseReader response =
      whole("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n");
  CHECK(response.progress() == Progress::Complete);
  CHECK_FALSE(response.keep_alive());
}

TEST_CASE("responses of 1xx are skipped") {
  check_complete(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
      200, true);
}

TEST_CASE("101 is final: nobody asked for an upgrade") {
  const HttpResponseReader response =
      whole("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n");
  CHECK(response.progress() == Progress::Complete);
  CHECK(response.status() == 101);
}

TEST_CASE("endless responses of 1xx are refused") {
  HttpResponseReader response;
  for (int i = 0; i < 1000; ++i) response.feed("HTTP/1.1 100 Continue\r\n\r\n");
  CHECK(response.error() == "response headers too large: more than 16 KiB");
}

TEST_CASE("headers of 16 KiB are read, one byte more is refused") {
  const std::string begin = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ";
  const std::string end = "\r\n\r\n";
  const std::size_t room = HttpResponseReader::kMaxHeaderBytes - begin.size() - end.size();
  check_complete(begin + std::string(room, 'x') + end, 200, true);
  check_failed(begin + std::string(room + 1, 'x') + end, "response headers too large: more than 16 KiB");
}

TEST_CASE("a body of 64 KiB is read, one byte more is refused") {
  const std::string header = "HTTP/1.1 200 OK\r\nContent-Length: ";
  const std::size_t limit = HttpResponseReader::kMaxBodyBytes;
  check_complete(header + std::to_string(limit) + "\r\n\r\n" + std::string(limit, 'x'), 200, true);
  check_failed(header + std::to_string(limit + 1) + "\r\n\r\n" + std::string(limit + 1, 'x'),
               "response too large: more than 64 KiB");
}

TEST_CASE("an endless body is refused, in chunks and without a length too") {
  check_failed("HTTP/1.1 200 OK\r\n\r\n" + std::string(70'000, 'x'), "response too large: more than 64 KiB");
  std::string chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 12'000; ++i) chunks += "1\r\nx\r\n";
  check_failed(chunks, "response too large: more than 64 KiB");
}

TEST_CASE("malformed headers and chunks are refused") {
  check_failed("HTTP/1.1 200 OK\r\nContent\x01Length: 1\r\n\r\n",
               "malformed response: invalid character in header");
  check_failed("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
               "malformed response: invalid character in content-length header");
  check_failed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
               "malformed response: invalid character in chunk size header");
}

TEST_CASE("a connection that closes too early is a failure") {
  HttpResponseReader empty;
  CHECK(empty.feed_end() == Progress::Failed);
  CHECK(empty.error() == "connection closed before the response");
  for (const char* begin : {"HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
                            "HTTP/1.1 100 Continue\r\n\r\n"}) {
    CAPTURE(begin);
    HttpResponseReader response = whole(begin);
    CHECK(response.feed_end() == Progress::Failed);
    CHECK(response.error() == "connection closed in the middle of the response");
  }
}

TEST_CASE("the Date header is read, in any case, split anywhere, not from a trailer") {
  const std::chrono::sys_seconds expected(std::chrono::seconds(784111777));
  const std::string_view bytes =
      "HTTP/1.1 200 OK\r\nUpdated: x\r\ndaTE: Sun, 06 Nov 1994 08:49:37 GMT\r\nTransfer-Encoding: "
      "chunked\r\n\r\n"
      "0\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n";
  CHECK(whole(bytes).date() == expected);
  CHECK(byte_by_byte(bytes).date() == expected);
  CHECK_FALSE(whole("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: soon\r\n\r\n").date());
}

}  // namespace vipward
