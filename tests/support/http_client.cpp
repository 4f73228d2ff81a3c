#include "tests/support/http_client.h"

#include <poll.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace vipward::test {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

// A test's answer is never that long: more is a runaway.
constexpr std::size_t kMaxBody = std::size_t{256} << 20;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

template <class Number>
bool parse_number(std::string_view text, Number& value, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc{} && end != text.data();
}

bool parse_status_line(std::string_view line, int& status) {
  return line.starts_with("HTTP/1.") && line.size() >= 12 && parse_number(line.substr(9, 3), status);
}

}  // namespace

std::string describe(const HttpResponse& response) {
  if (response.error != ClientError::None) {
    return std::string(to_string(response.error)) + ": " + response.detail;
  }
  return std::to_string(response.status) + " " + response.body;
}

template <class Action>
ClientError HttpClient::finish(Action action, TimePoint deadline) {
  for (;;) {
    const ClientStream::Step step = action();
    if (step == ClientStream::Step::Done) return ClientError::None;
    if (step == ClientStream::Step::Failed) {
      detail_ = stream_->detail();
      return stream_->error();
    }
    const auto left = std::chrono::ceil<milliseconds>(deadline - SteadyClock::now());
    pollfd watched{stream_->fd(), step == ClientStream::Step::WantRead ? short{POLLIN} : short{POLLOUT}, 0};
    if (left.count() <= 0 || poll(&watched, 1, static_cast<int>(left.count())) == 0) {
      detail_ = "no answer until the deadline";
      return ClientError::Timeout;
    }
  }
}

ClientError HttpClient::connect() {
  return connect_until(SteadyClock::now() + options_.limit);
}

ClientError HttpClient::connect_until(TimePoint deadline) {
  if (stream_) return ClientError::None;
  received_.clear();
  stream_ = std::make_unique<ClientStream>(options_.address, options_.tls.get());
  const ClientError error = finish([&] { return stream_->connect(); }, deadline);
  if (error != ClientError::None) disconnect();
  return error;
}

void HttpClient::disconnect() {
  stream_.reset();
}

ClientError HttpClient::receive_until(TimePoint deadline) {
  if (received_.size() > kMaxBody) {
    detail_ = "an endless answer";
    return ClientError::Malformed;
  }
  return finish([&] { return stream_->receive(received_); }, deadline);
}

ClientError HttpClient::take_line(std::string& line, TimePoint deadline) {
  for (;;) {
    const auto end = received_.find('\n');
    if (end != std::string::npos) {
      line = received_.substr(0, end);
      if (line.ends_with('\r')) line.pop_back();
      received_.erase(0, end + 1);
      return ClientError::None;
    }
    const ClientError error = receive_until(deadline);
    if (error != ClientError::None) return error;
  }
}

ClientError HttpClient::begin(const Request& request, HttpResponse& response, TimePoint deadline) {
  ClientError error = connect_until(deadline);
  if (error != ClientError::None) return error;
  std::string text = request.method + " " + request.path + " HTTP/1.1\r\nHost: test\r\n";
  for (const auto& [name, value] : options_.headers) text += name + ": " + value + "\r\n";
  if (request.close) text += "Connection: close\r\n";
  if (!request.body.empty()) text += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  text += "\r\n" + request.body;
  std::string_view rest = text;
  error = finish([&] { return stream_->send(rest); }, deadline);
  if (error != ClientError::None) return error;
  return read_head(response, deadline);
}

ClientError HttpClient::read_head(HttpResponse& response, TimePoint deadline) {
  std::string line;
  ClientError error = take_line(line, deadline);
  if (error != ClientError::None) return error;
  if (!parse_status_line(line, response.status)) {
    detail_ = "not an HTTP answer: " + line.substr(0, 80);
    return ClientError::Malformed;
  }
  while ((error = take_line(line, deadline)) == ClientError::None && !line.empty()) {
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    const auto value = line.find_first_not_of(' ', colon + 1);
    response.headers[lower(line.substr(0, colon))] = value == std::string::npos ? "" : line.substr(value);
  }
  chunked_ = response.headers.contains("transfer-encoding");
  body_rest_.clear();
  return error;
}

ClientError HttpClient::read_chunk(std::string& into, bool& is_last, TimePoint deadline) {
  // Nothing is taken before all of it is there: after a timeout the caller may ask again.
  for (;;) {
    const auto end = received_.find("\r\n");
    if (end != std::string::npos) {
      std::size_t size = 0;
      if (!parse_number(std::string_view(received_).substr(0, end), size, 16) || size > kMaxBody) {
        detail_ = "not a chunk: " + received_.substr(0, 80);
        return ClientError::Malformed;
      }
      const std::size_t begin = end + 2;
      if (received_.size() >= begin + size + 2) {
        into.append(received_, begin, size);
        received_.erase(0, begin + size + 2);
        is_last = size == 0;
        return ClientError::None;
      }
    }
    const ClientError error = receive_until(deadline);
    if (error != ClientError::None) return error;
  }
}

ClientError HttpClient::read_body(HttpResponse& response, TimePoint deadline) {
  if (chunked_) {
    for (bool is_last = false; !is_last;) {
      const ClientError error = read_chunk(response.body, is_last, deadline);
      if (error != ClientError::None) return error;
    }
    return ClientError::None;
  }
  const auto length = response.headers.find("content-length");
  if (length == response.headers.end()) {
    ClientError error = ClientError::None;
    while (error == ClientError::None) error = receive_until(deadline);
    response.body = std::move(received_);
    received_.clear();
    return error == ClientError::Closed ? ClientError::None : error;
  }
  std::size_t size = 0;
  parse_number(std::string_view(length->second), size);
  while (received_.size() < size) {
    const ClientError error = receive_until(deadline);
    if (error != ClientError::None) return error;
  }
  response.body = received_.substr(0, size);
  received_.erase(0, size);
  return ClientError::None;
}

ClientError HttpClient::send_bytes(std::string_view bytes) {
  const auto deadline = SteadyClock::now() + options_.limit;
  chunked_ = false;
  const ClientError error = connect_until(deadline);
  if (error != ClientError::None) return error;
  return finish([&] { return stream_->send(bytes); }, deadline);
}

HttpResponse HttpClient::open(const Request& request) {
  const auto start = SteadyClock::now();
  HttpResponse response;
  response.error = begin(request, response, start + options_.limit);
  response.duration = std::chrono::duration_cast<milliseconds>(SteadyClock::now() - start);
  if (response.error != ClientError::None) {
    response.detail = detail_;
    disconnect();
  }
  return response;
}

HttpResponse HttpClient::send(const Request& request) {
  const auto start = SteadyClock::now();
  const auto deadline = start + options_.limit;
  HttpResponse response;
  response.error = begin(request, response, deadline);
  if (response.error == ClientError::None) response.error = read_body(response, deadline);
  response.duration = std::chrono::duration_cast<milliseconds>(SteadyClock::now() - start);
  if (response.error != ClientError::None) response.detail = detail_;
  const bool closes =
      response.headers.contains("connection") && lower(response.headers.at("connection")) == "close";
  if (response.error != ClientError::None || request.close || closes) disconnect();
  return response;
}

HttpClient::Line HttpClient::read_line(milliseconds limit) {
  if (!stream_) return {.error = ClientError::Closed};
  const auto deadline = SteadyClock::now() + limit;
  Line line;
  if (!chunked_) {
    line.error = take_line(line.text, deadline);
    return line;
  }
  for (;;) {
    const auto end = body_rest_.find('\n');
    if (end != std::string::npos) {
      line.text = body_rest_.substr(0, end);
      body_rest_.erase(0, end + 1);
      return line;
    }
    line.error = read_chunk(body_rest_, line.is_end, deadline);
    if (line.is_end || line.error != ClientError::None) return line;
  }
}

ClientError HttpClient::wait_for_end(milliseconds limit) {
  if (!stream_) return ClientError::Closed;
  const auto deadline = SteadyClock::now() + limit;
  ClientError error = ClientError::None;
  while (error == ClientError::None) {
    received_.clear();
    error = receive_until(deadline);
  }
  if (error != ClientError::Timeout) disconnect();
  return error;
}

HttpResponse http_get(HttpClient::Options options, const std::string& path) {
  HttpClient client(std::move(options));
  return client.send({.path = path, .close = true});
}

}  // namespace vipward::test
