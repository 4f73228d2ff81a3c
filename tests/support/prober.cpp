#include "tests/support/prober.h"

#include <poll.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

namespace vipward::test {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::string_view kByte = "\n";
constexpr std::string_view kHeadEnd = "\r\n\r\n";

// Of the body, by the head of an answer; nothing: it does not say.
std::optional<std::size_t> content_length(std::string_view head) {
  constexpr std::string_view kName = "\r\ncontent-length: ";
  const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  const auto found = std::ranges::search(head, kName, same);
  if (found.empty()) return std::nullopt;
  const auto digits = head.substr(static_cast<std::size_t>(found.end() - head.begin()));
  std::size_t length = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), length);
  return length;
}

}  // namespace

// One connection, from connect to its answer.
class Prober::Probe {
 public:
  Probe(const Options& options, std::string_view request, Clock::time_point now)
      : started_(now),
        deadline_(now + options.limit),
        stream_(options.target, options.tls.get()),
        unsent_(request),
        wants_whole_answer_(options.tls != nullptr) {
    advance();
  }

  // Goes as far as it can without waiting.
  void advance() {
    using Step = ClientStream::Step;
    for (;;) {
      if (phase_ == Phase::Connect) {
        step_ = stream_.connect();
        if (step_ == Step::Done) phase_ = Phase::Send;
      } else if (phase_ == Phase::Send) {
        step_ = stream_.send(unsent_);
        if (step_ == Step::Done) phase_ = Phase::Receive;
      } else {
        step_ = stream_.receive(received_);
        if (step_ == Step::Done && has_answer()) return end(ClientError::None, {});
      }
      if (step_ == Step::Failed) return end(stream_.error(), stream_.detail());
      if (step_ != Step::Done) return;
    }
  }
  void on_deadline() {
    constexpr const char* kNames[] = {"connect", "send", "answer"};
    end(ClientError::Timeout, std::string("no ") + kNames[static_cast<int>(phase_)]);
  }

  bool is_over() const { return over_; }
  Clock::time_point started() const { return started_; }
  Clock::time_point deadline() const { return deadline_; }
  ClientError error() const { return error_; }
  const std::string& detail() const { return detail_; }
  pollfd watched() const {
    return {stream_.fd(), step_ == ClientStream::Step::WantRead ? short{POLLIN} : short{POLLOUT}, 0};
  }
  std::string answer() const {
    const auto head_end = received_.find(kHeadEnd);
    const std::size_t begin = head_end == std::string::npos ? 0 : head_end + kHeadEnd.size();
    return received_.substr(begin, received_.find('\n', begin) - begin);
  }

 private:
  enum class Phase : std::uint8_t { Connect, Send, Receive };

  bool has_answer() const {
    if (!wants_whole_answer_) return !received_.empty();
    const auto head_end = received_.find(kHeadEnd);
    if (head_end == std::string::npos) return false;
    const auto length = content_length(std::string_view(received_).substr(0, head_end));
    return length && received_.size() >= head_end + kHeadEnd.size() + *length;
  }
  void end(ClientError error, std::string detail) {
    over_ = true;
    error_ = error;
    detail_ = std::move(detail);
  }

  Clock::time_point started_;
  Clock::time_point deadline_;
  ClientStream stream_;
  std::string_view unsent_;
  bool wants_whole_answer_;
  std::string received_;
  Phase phase_ = Phase::Connect;
  ClientStream::Step step_ = ClientStream::Step::WantWrite;
  bool over_ = false;
  ClientError error_ = ClientError::None;
  std::string detail_;
};

Prober::Prober(Options options)
    : options_(std::move(options)),
      request_(options_.tls
                   ? "GET " + options_.path + " HTTP/1.1\r\nHost: prober\r\nConnection: close\r\n\r\n"
                   : std::string(kByte)),
      last_answer_(Clock::now()) {
  thread_ = std::thread([this] { run(); });
}

Prober::~Prober() {
  stop();
}

void Prober::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) longest_gap_ = std::max(longest_gap_, open_gap());
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void Prober::run() {
  Probes probes;
  std::vector<pollfd> watched;
  Clock::time_point next_start = Clock::now();
  for (;;) {
    Clock::time_point now = Clock::now();
    bool stopping = false;
    {
      const std::lock_guard lock(mutex_);
      stopping = stopping_;
    }
    if (stopping && probes.empty()) return;
    if (!stopping && now >= next_start) {
      probes.push_back(std::make_unique<Probe>(options_, request_, now));
      // A pause of ours is not made up for by a burst.
      next_start = std::max(next_start + options_.interval, now);
    }

    Clock::time_point wake = stopping ? Clock::time_point::max() : next_start;
    watched.clear();
    for (const auto& probe : probes) {
      watched.push_back(probe->watched());
      wake = std::min(wake, probe->is_over() ? now : probe->deadline());
    }
    const auto nanoseconds = std::max(std::chrono::nanoseconds(wake - now), std::chrono::nanoseconds{0});
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(nanoseconds);
    const timespec timeout{static_cast<time_t>(seconds.count()),
                           static_cast<long>((nanoseconds - seconds).count())};
    ppoll(watched.data(), watched.size(), &timeout, nullptr);

    now = Clock::now();
    for (std::size_t i = 0; i < probes.size(); ++i) {
      Probe& probe = *probes[i];
      if (!probe.is_over() && watched[i].revents != 0) probe.advance();
      if (!probe.is_over() && now >= probe.deadline()) probe.on_deadline();
      if (probe.is_over()) finish(probe, Clock::now());
    }
    std::erase_if(probes, [](const auto& probe) { return probe->is_over(); });
  }
}

void Prober::finish(const Probe& probe, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (probe.error() != ClientError::None) {
    failures_.push_back(
        {.started = probe.started(), .ended = now, .error = probe.error(), .detail = probe.detail()});
    return;
  }
  ++answered_;
  ++answers_[probe.answer()];
  longest_gap_ = std::max(longest_gap_, std::chrono::duration_cast<microseconds>(now - last_answer_));
  last_answer_ = now;
}

std::uint64_t Prober::answered() const {
  const std::lock_guard lock(mutex_);
  return answered_;
}

std::map<std::string, std::uint64_t> Prober::answers() const {
  const std::lock_guard lock(mutex_);
  return answers_;
}

std::vector<Prober::Failure> Prober::failures() const {
  const std::lock_guard lock(mutex_);
  return failures_;
}

std::vector<Prober::Failure> Prober::failures_since(Clock::time_point moment) const {
  std::vector<Failure> result = failures();
  std::erase_if(result, [&](const Failure& failure) { return failure.started < moment; });
  return result;
}

std::string Prober::failures_by_kind() const {
  std::map<std::string_view, unsigned> kinds;
  for (const Failure& failure : failures()) ++kinds[to_string(failure.error)];
  std::string text;
  for (const auto& [kind, count] : kinds) {
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + std::string(kind);
  }
  return text.empty() ? "none" : text;
}

microseconds Prober::open_gap() const {
  return std::chrono::duration_cast<microseconds>(Clock::now() - last_answer_);
}

microseconds Prober::longest_gap() const {
  const std::lock_guard lock(mutex_);
  return stopping_ ? longest_gap_ : std::max(longest_gap_, open_gap());
}

}  // namespace vipward::test
