#include "health/http_request.h"

namespace vipward {

std::string http_get(std::string_view path, std::string_view host, std::string_view bearer_token) {
  std::string request;
  request.append("GET ").append(path).append(" HTTP/1.1\r\nHost: ").append(host);
  request.append("\r\nUser-Agent: vipward/" VIPWARD_VERSION "\r\nAccept: */*\r\n");
  if (!bearer_token.empty()) request.append("Authorization: Bearer ").append(bearer_token).append("\r\n");
  request.append("\r\n");
  return request;
}

}  // namespace vipward
