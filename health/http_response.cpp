#include "health/http_response.h"

#include <http_parser.h>

#include <algorithm>

#include "health/http_date.h"

namespace vipward {
namespace {

constexpr std::size_t kMaxDateBytes = 64;
constexpr std::size_t kFirstBytes = 32;  // kept to name the protocol that is not HTTP

bool is_date_header(std::string_view name) {
  constexpr std::string_view kDate = "date";
  return name.size() == kDate.size() &&
         std::equal(name.begin(), name.end(), kDate.begin(), [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
         });
}

// What the other side seems to speak instead, by its first bytes.
std::string name_protocol(std::string_view first) {
  // TLS records: alert (21) or handshake (22), major version 3.
  if (first.size() >= 2 && (first[0] == 21 || first[0] == 22) && first[1] == 3)
    return "the server speaks TLS";
  // RFC 9113 section 3.4: a server opens with a SETTINGS frame (type 4) on stream 0.
  if (first.size() >= 9 && first[0] == 0 && first[3] == 4 &&
      first.substr(5, 4) == std::string_view("\0\0\0\0", 4)) {
    return "the server speaks HTTP/2";
  }
  std::string text = "it begins with \"";
  for (const char c : first) {
    if (c == '\r' || c == '\n') break;
    text.push_back(c >= 32 && c < 127 && c != '"' ? c : '?');
  }
  return text + "\"";
}

}  // namespace

struct HttpResponseReader::Parser {
  http_parser http{};
  Progress progress = Progress::NeedsMore;
  std::string error;
  std::string first_bytes;
  std::size_t header_bytes = 0;
  std::size_t body_bytes = 0;
  bool in_body = false;
  bool message_complete = false;
  bool keep_alive = false;
  bool after_interim = false;
  std::string header_name;
  bool name_complete = false;
  std::string date_text;
  std::optional<std::chrono::sys_seconds> date;

  Parser() { restart(); }

  void restart() {
    http_parser_init(&http, HTTP_RESPONSE);
    http.data = this;
    in_body = false;
    message_complete = false;
    date_text.clear();
    header_name.clear();
    name_complete = false;
  }

  static Parser& of(http_parser* parser) { return *static_cast<Parser*>(parser->data); }

  static int on_header_field(http_parser* parser, const char* at, std::size_t length) {
    Parser& self = of(parser);
    if (self.name_complete) self.header_name.clear();
    self.name_complete = false;
    self.header_name.append(
        at, std::min(length, kMaxDateBytes - std::min(kMaxDateBytes, self.header_name.size())));
    return 0;
  }
  static int on_header_value(http_parser* parser, const char* at, std::size_t length) {
    Parser& self = of(parser);
    if (self.in_body) return 0;  // a trailer
    if (!self.name_complete && is_date_header(self.header_name)) self.date_text.clear();
    self.name_complete = true;
    if (is_date_header(self.header_name)) {
      self.date_text.append(at,
                            std::min(length, kMaxDateBytes - std::min(kMaxDateBytes, self.date_text.size())));
    }
    return 0;
  }
  // Both pause, so that http_parser_execute returns where the part ended.
  static int on_headers_complete(http_parser* parser) {
    of(parser).in_body = true;
    http_parser_pause(parser, 1);
    // RFC 9112 section 6.3: these have no body, whatever their headers say (1: skip it).
    return is_interim(*parser) || parser->status_code == 204 || parser->status_code == 304 ? 1 : 0;
  }
  static int on_message_complete(http_parser* parser) {
    Parser& self = of(parser);
    self.message_complete = true;
    self.keep_alive = http_should_keep_alive(parser) != 0;
    http_parser_pause(parser, 1);
    return 0;
  }
  // 101 is final: nobody asked for an upgrade.
  static bool is_interim(const http_parser& parser) {
    return parser.status_code < 200 && parser.status_code != 101;
  }

  static const http_parser_settings& settings() {
    static const http_parser_settings kSettings = [] {
      http_parser_settings made;
      http_parser_settings_init(&made);
      made.on_header_field = on_header_field;
      made.on_header_value = on_header_value;
      made.on_headers_complete = on_headers_complete;
      made.on_message_complete = on_message_complete;
      return made;
    }();
    return kSettings;
  }

  Progress fail(std::string text) {
    error = std::move(text);
    return progress = Progress::Failed;
  }

  // Slices end where a limit does, so that what is refused does not depend on how the bytes were split.
  Progress feed(std::string_view bytes) {
    while (progress == Progress::NeedsMore && !bytes.empty()) {
      const bool body = in_body;
      std::size_t& count = body ? body_bytes : header_bytes;
      // The parser stops before the LF that ends the headers: it counts as the first byte of the body.
      const std::size_t room = (body ? kMaxBodyBytes + 1 : kMaxHeaderBytes) - count;
      if (room == 0) {
        return fail(body ? "response too large: more than 64 KiB"
                         : "response headers too large: more than 16 KiB");
      }
      const std::string_view slice = bytes.substr(0, room);
      if (!body && first_bytes.size() < kFirstBytes) {
        first_bytes.append(slice.substr(0, kFirstBytes - first_bytes.size()));
      }
      const std::size_t used = execute(slice);
      count += used;
      bytes.remove_prefix(used);
    }
    if (progress == Progress::Complete && !bytes.empty()) keep_alive = false;
    return progress;
  }

  Progress feed_end() {
    if (progress != Progress::NeedsMore) return progress;
    if (in_body) http_parser_execute(&http, &settings(), nullptr, 0);
    if (message_complete) return progress = Progress::Complete;
    return fail(header_bytes == 0 ? "connection closed before the response"
                                  : "connection closed in the middle of the response");
  }

  // Parses up to the next boundary; how many bytes that took.
  std::size_t execute(std::string_view slice) {
    const std::size_t used = http_parser_execute(&http, &settings(), slice.data(), slice.size());
    const http_errno code = HTTP_PARSER_ERRNO(&http);
    if (code == HPE_PAUSED) {
      http_parser_pause(&http, 0);
    } else if (code != HPE_OK) {
      const bool in_first_line = http.status_code == 0 && !after_interim;
      fail(in_first_line ? "not HTTP: " + name_protocol(first_bytes)
                         : std::string("malformed response: ") + http_errno_description(code));
      return slice.size();
    }
    if (message_complete) {
      end_message();
    } else if (in_body && (http.http_major != 1 || http.status_code < 100)) {
      fail("malformed response: HTTP/" + std::to_string(http.http_major) + " status " +
           std::to_string(http.status_code));
    }
    return used;
  }

  void end_message() {
    if (!is_interim(http)) {
      progress = Progress::Complete;
      date = parse_http_date(date_text);
    } else {
      after_interim = true;
      restart();
    }
  }
};

HttpResponseReader::HttpResponseReader() : parser_(std::make_unique<Parser>()) {}
HttpResponseReader::~HttpResponseReader() = default;
HttpResponseReader::HttpResponseReader(HttpResponseReader&&) noexcept = default;
HttpResponseReader& HttpResponseReader::operator=(HttpResponseReader&&) noexcept = default;

HttpResponseReader::Progress HttpResponseReader::feed(std::string_view bytes) {
  return parser_->feed(bytes);
}

HttpResponseReader::Progress HttpResponseReader::feed_end() {
  return parser_->feed_end();
}

HttpResponseReader::Progress HttpResponseReader::progress() const {
  return parser_->progress;
}

bool HttpResponseReader::has_begun() const {
  return parser_->header_bytes > 0;
}

int HttpResponseReader::status() const {
  return static_cast<int>(parser_->http.status_code);
}

std::optional<std::chrono::sys_seconds> HttpResponseReader::date() const {
  return parser_->date;
}

bool HttpResponseReader::keep_alive() const {
  return parser_->keep_alive;
}

const std::string& HttpResponseReader::error() const {
  return parser_->error;
}

}  // namespace vipward
