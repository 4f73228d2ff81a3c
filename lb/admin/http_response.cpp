#include "lb/admin/http_response.h"

#include <array>
#include <ctime>

namespace vipward {
namespace {

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Status";
  }
}

std::string http_date(std::chrono::system_clock::time_point time) {
  const std::time_t unix_time = std::chrono::system_clock::to_time_t(time);
  std::tm utc{};
  gmtime_r(&unix_time, &utc);
  std::array<char, 40> buffer{};
  const std::size_t length = std::strftime(buffer.data(), buffer.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return {buffer.data(), length};
}

}  // namespace

std::string serialize_response(const HttpResponse& response, const HttpFraming& framing) {
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + ' ';
  out += reason_phrase(response.status);
  out += "\r\nDate: " + http_date(framing.date);
  out += "\r\nContent-Type: ";
  out += response.content_type;
  out += "\r\nContent-Length: " + std::to_string(response.body.size());
  out += "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff";
  if (response.status == 405) out += "\r\nAllow: GET, HEAD";
  out += framing.keep_alive ? "\r\nConnection: keep-alive\r\n\r\n" : "\r\nConnection: close\r\n\r\n";
  if (!framing.head_only) out += response.body;
  return out;
}

}  // namespace vipward
