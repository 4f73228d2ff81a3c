#include "lb/admin/http_request.h"

#include <http_parser.h>

#include <algorithm>
#include <cstdint>

namespace vipward {

struct HttpRequestParser::State {
  http_parser parser{};
  std::size_t head_bytes = 0;
  std::string target;
  bool complete = false;
  int error = 0;
  HttpRequest request;

  State() {
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = this;
  }

  // Called when the head is complete: what the parser lets through and we do not.
  void finish() {
    complete = true;
    request.method = parser.method == HTTP_GET    ? HttpMethod::Get
                     : parser.method == HTTP_HEAD ? HttpMethod::Head
                                                  : HttpMethod::Other;
    request.keep_alive = http_should_keep_alive(&parser) != 0;
    if (parser.http_major != 1) {
      fail(400);
      return;
    }
    const bool has_length = parser.content_length != 0 && parser.content_length != UINT64_MAX;
    if (has_length || parser.uses_transfer_encoding != 0) {
      fail(413);
      return;
    }
    if (request.method != HttpMethod::Other && !take_path()) fail(400);
  }

  // Origin form ("/path?query") and absolute form ("http://host/path"): RFC 9112, section 3.2.
  bool take_path() {
    http_parser_url url;
    http_parser_url_init(&url);
    if (http_parser_parse_url(target.data(), target.size(), 0, &url) != 0) return false;
    if ((url.field_set & (1 << UF_PATH)) == 0) {
      request.path = "/";
      return true;
    }
    request.path = target.substr(url.field_data[UF_PATH].off, url.field_data[UF_PATH].len);
    return request.path.starts_with('/');
  }

  void fail(int status) {
    complete = false;
    error = status;
  }
};

namespace {

// Stops the parser behind the head; the body, if any, is refused unread.
template <class State>
const http_parser_settings& settings() {
  static const http_parser_settings kSettings = [] {
    http_parser_settings result;
    http_parser_settings_init(&result);
    result.on_url = [](http_parser* parser, const char* at, std::size_t length) {
      static_cast<State*>(parser->data)->target.append(at, length);
      return 0;
    };
    result.on_headers_complete = [](http_parser* parser) {
      static_cast<State*>(parser->data)->finish();
      return 1;  // no body is read
    };
    result.on_message_complete = [](http_parser* parser) {
      http_parser_pause(parser, 1);
      return 0;
    };
    return result;
  }();
  return kSettings;
}

}  // namespace

HttpRequestParser::HttpRequestParser() : state_(std::make_unique<State>()) {}
HttpRequestParser::~HttpRequestParser() = default;
HttpRequestParser::HttpRequestParser(HttpRequestParser&&) noexcept = default;
HttpRequestParser& HttpRequestParser::operator=(HttpRequestParser&&) noexcept = default;

std::size_t HttpRequestParser::feed(std::string_view bytes) {
  State& state = *state_;
  if (state.complete || state.error != 0 || bytes.empty()) return 0;
  const std::size_t room = kMaxHeadBytes - state.head_bytes;
  const std::size_t offered = std::min(bytes.size(), room);
  const std::size_t taken = http_parser_execute(&state.parser, &settings<State>(), bytes.data(), offered);
  state.head_bytes += taken;
  if (state.complete || state.error != 0) return taken;
  if (HTTP_PARSER_ERRNO(&state.parser) != HPE_OK)
    state.fail(HTTP_PARSER_ERRNO(&state.parser) == HPE_HEADER_OVERFLOW ? 431 : 400);
  else if (state.head_bytes >= kMaxHeadBytes)
    state.fail(431);
  return taken;
}

bool HttpRequestParser::is_complete() const {
  return state_->complete;
}

int HttpRequestParser::error_status() const {
  return state_->error;
}

bool HttpRequestParser::is_empty() const {
  return state_->head_bytes == 0;
}

const HttpRequest& HttpRequestParser::request() const {
  return state_->request;
}

void HttpRequestParser::reset() {
  *state_ = State();
  state_->parser.data = state_.get();
}

}  // namespace vipward
