#include "health/http_request.h"

#include <doctest/doctest.h>

namespace vipward {

TEST_CASE("a request says who asks, whom, and for what") {
  const std::string request = http_get("/readyz", "10.0.0.11:6443", "");
  const std::string agent = "User-Agent: vipward/";
  CHECK(request.starts_with("GET /readyz HTTP/1.1\r\nHost: 10.0.0.11:6443\r\n" + agent));
  CHECK(request.ends_with("\r\nAccept: */*\r\n\r\n"));
  CHECK(request.find("Authorization") == std::string::npos);
}

TEST_CASE("a token goes into the Authorization header") {
  CHECK(http_get("/", "h", "abc").find("\r\nAuthorization: Bearer abc\r\n\r\n") != std::string::npos);
}

}  // namespace vipward
