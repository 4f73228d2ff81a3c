#include "lb/admin/http_request.h"

#include <doctest/doctest.h>

#include <vector>

using namespace vipward;

namespace {

// What becomes of `bytes`: "incomplete", "GET /path keep", "error 400"; fed whole and byte by byte, which
// must agree.
std::string outcome(const HttpRequestParser& parser) {
  if (parser.error_status() != 0) return "error " + std::to_string(parser.error_status());
  if (!parser.is_complete()) return "incomplete";
  const HttpRequest& request = parser.request();
  const std::string method = request.method == HttpMethod::Get    ? "GET "
                             : request.method == HttpMethod::Head ? "HEAD "
                                                                  : "other ";
  return method + request.path + (request.keep_alive ? " keep" : " close");
}

std::string parse(std::string_view bytes) {
  HttpRequestParser whole;
  whole.feed(bytes);
  HttpRequestParser piecewise;
  for (std::size_t i = 0; i < bytes.size(); ++i) piecewise.feed(bytes.substr(i, 1));
  CHECK(outcome(whole) == outcome(piecewise));
  return outcome(whole);
}

}  // namespace

TEST_CASE("requests are understood or refused") {
  struct Row {
    std::string_view bytes;
    std::string_view expected;
  };
  const std::vector<Row> rows{
      {"", "incomplete"},
      {"G", "incomplete"},
      {"GET /metrics HTTP/1.1\r\nHost: x\r\n", "incomplete"},
      {"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "GET /metrics keep"},
      {"GET /metrics HTTP/1.1\nHost: x\n\n", "GET /metrics keep"},
      {"\r\n\r\nGET / HTTP/1.1\r\n\r\n", "GET / keep"},
      {"HEAD /livez HTTP/1.1\r\nConnection: close\r\n\r\n", "HEAD /livez close"},
      {"GET / HTTP/1.0\r\n\r\n", "GET / close"},
      {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET / keep"},
      {"GET /readyz?verbose=1&x=/y HTTP/1.1\r\n\r\n", "GET /readyz keep"},
      {"GET http://host:9643/metrics?a HTTP/1.1\r\n\r\n", "GET /metrics keep"},
      {"GET http://host:9643 HTTP/1.1\r\n\r\n", "GET / keep"},
      {"GET /../etc/passwd HTTP/1.1\r\n\r\n", "GET /../etc/passwd keep"},
      {"GET /a%20b HTTP/1.1\r\n\r\n", "GET /a%20b keep"},
      {"GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "GET / keep"},
      {"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "GET / keep"},
      {"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "other  keep"},
      {"DELETE / HTTP/1.1\r\n\r\n", "other  keep"},
      {"OPTIONS * HTTP/1.1\r\n\r\n", "other  keep"},
      {"CONNECT host:443 HTTP/1.1\r\n\r\n", "other  keep"},
      {"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", "error 413"},
      {"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "error 413"},
      {"GET / HTTP/1.1\r\nContent-Length: 18446744073709551614\r\n\r\n", "error 400"},
      {"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "error 400"},
      {"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "error 400"},
      {"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "error 413"},
      {"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", "error 400"},
      {"GET /\r\n\r\n", "error 400"},
      {"GET / HTTP/2.0\r\n\r\n", "error 400"},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "error 400"},
      {"\x16\x03\x01\x02", "error 400"},
      {"GET / HTTP/1.1\r\nno colon\r\n\r\n", "error 400"},
      {"GET relative HTTP/1.1\r\n\r\n", "error 400"},
      {"BREW / HTTP/1.1\r\n\r\n", "error 400"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.bytes);
    CHECK(parse(row.bytes) == row.expected);
  }
}

TEST_CASE("a head of 8 KiB is accepted, a larger one is refused without being kept") {
  const std::string start = "GET / HTTP/1.1\r\nX: ";
  const std::string end = "\r\n\r\n";
  const std::string largest(HttpRequestParser::kMaxHeadBytes - start.size() - end.size(), 'x');
  CHECK(parse(start + largest + end) == "GET / keep");
  CHECK(parse(start + largest + "x" + end) == "error 431");
  CHECK(parse("GET /" + std::string(100000, 'a')) == "error 431");
  CHECK(parse(std::string(100000, '\n')) == "error 431");

  HttpRequestParser parser;
  CHECK(parser.feed(std::string(100000, '\n')) == HttpRequestParser::kMaxHeadBytes);
}

TEST_CASE("a pipelined request is left for its turn") {
  const std::string_view first = "GET /livez HTTP/1.1\r\n\r\n";
  const std::string both = std::string(first) + "HEAD /readyz HTTP/1.1\r\n\r\n";
  HttpRequestParser parser;
  CHECK(parser.is_empty());
  CHECK(parser.feed(both) == first.size());
  CHECK(outcome(parser) == "GET /livez keep");
  CHECK(parser.feed("more") == 0);
  parser.reset();
  CHECK(parser.is_empty());
  CHECK(parser.feed(both.substr(first.size())) == both.size() - first.size());
  CHECK(outcome(parser) == "HEAD /readyz keep");
}

TEST_CASE("a parser that was moved goes on") {
  HttpRequestParser first;
  first.feed("GET /met");
  HttpRequestParser second = std::move(first);
  second.feed("rics HTTP/1.1\r\n\r\n");
  CHECK(outcome(second) == "GET /metrics keep");
}

TEST_CASE("after an error nothing is taken any more") {
  HttpRequestParser parser;
  parser.feed("GET / HTTP/1.1\r\nContent-Length: 3\r\n\r\n");
  CHECK(parser.error_status() == 413);
  CHECK(parser.feed("abc") == 0);
  CHECK_FALSE(parser.is_complete());
}
