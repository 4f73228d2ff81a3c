#include "lb/admin/http_response.h"

#include <doctest/doctest.h>

using namespace vipward;

namespace {
const std::chrono::system_clock::time_point kDate{std::chrono::seconds(1795338751)};
}

TEST_CASE("a response says its length, its type and what becomes of the connection") {
  CHECK(serialize_response({.body = "ok\n"}, {.keep_alive = true, .date = kDate}) ==
        "HTTP/1.1 200 OK\r\n"
        "Date: Sun, 22 Nov 2026 09:12:31 GMT\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Length: 3\r\n"
        "Cache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Connection: keep-alive\r\n"
        "\r\n"
        "ok\n");
}

TEST_CASE("the answer to HEAD has the length but not the body") {
  const std::string text = serialize_response({.body = "ok\n"}, {.head_only = true, .date = kDate});
  CHECK(text.find("Content-Length: 3\r\n") != std::string::npos);
  CHECK(text.ends_with("Connection: close\r\n\r\n"));
}

TEST_CASE("405 names what is allowed") {
  CHECK(serialize_response({.status = 405, .body = ""}, {.date = kDate}).find("\r\nAllow: GET, HEAD\r\n") !=
        std::string::npos);
}
