#include "lb/guardian/examination.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

#include "lb/guardian/acceptance.h"

namespace vipward {
namespace {

constexpr std::size_t kLongestConfig = std::size_t{4} * 1024 * 1024;
constexpr std::size_t kLongestComplaint = std::size_t{32} * 1024;
constexpr int kChunksPerTurn = 512;  // more than both limits together
constexpr int kUsage = 2;            // its exit code if it does not know `accept`
constexpr int kCannotExecute = 127;

struct Pipe {
  Fd read_end;
  Fd write_end;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  Pipe pipe{.read_end = Fd(ends[0]), .write_end = Fd(ends[1])};
  fcntl(pipe.read_end.get(), F_SETFL, O_NONBLOCK);
  return pipe;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

}  // namespace

Examination::Examination(Loop& loop, const Executable& executable, const std::string& config_path, int state,
                         std::function<void(Verdict)> on_verdict)
    : program_(executable.path()), on_verdict_(std::move(on_verdict)), limit_(loop, [this] {
        late_ = true;
        kill_child(child_);
      }) {
  Pipe output = make_pipe();
  Pipe complaints = make_pipe();
  child_ = spawn_accept(
      executable, config_path,
      {.state = state, .output = output.write_end.get(), .complaints = complaints.write_end.get()});
  if (!child_.pidfd) throw std::system_error(errno, std::generic_category(), "cannot start " + program_);
  listen(loop, output_, std::move(output.read_end), kLongestConfig);
  listen(loop, complaints_, std::move(complaints.read_end), kLongestComplaint);
  child_end_ = std::make_unique<Poll>(loop, child_.pidfd.get(), [this](Poll::Ready) { on_child_ended(); });
  child_end_->watch({.read = true});
  limit_.arm_after(kLimit);
}

Examination::~Examination() {
  if (child_.pidfd) kill_child(child_);
}

void Examination::abort() {
  if (child_.pidfd) kill_child(child_);
}

void Examination::listen(Loop& loop, Stream& stream, Fd end, std::size_t limit_bytes) {
  stream.end = std::move(end);
  stream.limit_bytes = limit_bytes;
  stream.poll = std::make_unique<Poll>(loop, stream.end.get(), [&stream](Poll::Ready) { read_some(stream); });
  stream.poll->watch({.read = true});
}

// All that is there; what exceeds the limit is thrown away, so that the child can go on to its end.
void Examination::read_some(Stream& stream) {
  std::array<char, 16 * 1024> chunk;
  for (int i = 0; i < kChunksPerTurn; ++i) {
    const ssize_t count = read(stream.end.get(), chunk.data(), chunk.size());
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) return stream.poll->watch({});
    const auto room = stream.limit_bytes - stream.text.size();
    const auto size = static_cast<std::size_t>(count);
    stream.overflowed = stream.overflowed || size > room;
    stream.text.append(chunk.data(), std::min(size, room));
  }
}

void Examination::on_child_ended() {
  child_end_->watch({});
  limit_.cancel();
  read_some(output_);
  read_some(complaints_);
  const ChildEnd end = reap(child_);
  child_.pidfd.reset();
  const auto call = on_verdict_;  // it may destroy this
  call(verdict(end));
}

Examination::Verdict Examination::verdict(const ChildEnd& end) const {
  const auto refused = [&](const std::string& why) { return Verdict{{program_ + ": " + why}, {}}; };
  if (late_) return refused("did not come to an end within 10 s when it read the configuration");
  if (end.was_killed) return refused("crashed when it read the configuration, " + to_string(end));
  if (end.code == kCannotExecute) return refused("cannot be executed");
  std::vector<std::string> complaints = lines_of(complaints_.text);
  if (end.code == kUsage) {
    return refused("does not know how to take over from this version" +
                   (complaints.empty() ? "" : ": " + complaints.front()));
  }
  if (end.code != 0) {
    return complaints.empty() ? refused(to_string(end)) : Verdict{std::move(complaints), {}};
  }
  if (!output_.text.starts_with(kAcceptance)) return refused("is not vipward");
  if (output_.overflowed) return refused("says a configuration of more than 4 MiB");
  return {.problems = {}, .config_text = output_.text.substr(std::string_view(kAcceptance).size())};
}

}  // namespace vipward
