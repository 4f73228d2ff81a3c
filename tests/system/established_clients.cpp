#include "tests/system/established_clients.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <stdexcept>

#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using Step = ClientStream::Step;
using std::chrono::microseconds;

constexpr std::string_view kByte = "\n";
constexpr int kPatienceMs = 5000;

// Until `action` is done; throws when it fails or takes too long.
template <class Action>
void complete(ClientStream& stream, Action action, const char* what) {
  for (Step step = action(); step != Step::Done; step = action()) {
    if (step == Step::Failed) throw std::runtime_error(std::string(what) + ": " + stream.detail());
    pollfd watched{stream.fd(), step == Step::WantRead ? short{POLLIN} : short{POLLOUT}, 0};
    if (poll(&watched, 1, kPatienceMs) <= 0) throw std::runtime_error(std::string(what) + ": no answer");
  }
}

}  // namespace

EstablishedClients::EstablishedClients(const Options& options) {
  for (unsigned i = 0; i < options.idle + options.silent; ++i) {
    auto stream = std::make_unique<ClientStream>(options.target, nullptr);
    complete(
        *stream, [&] { return stream->connect(); }, "an established client's connect");
    const bool is_silent = i >= options.idle;
    if (!is_silent) {
      std::string_view byte = kByte;
      std::string answer;
      complete(
          *stream, [&] { return stream->send(byte); }, "an established client's byte");
      complete(
          *stream, [&] { return stream->receive(answer); }, "an established client's answer");
    }
    clients_.push_back({.stream = std::move(stream), .is_silent = is_silent});
  }
  thread_ = std::thread([this] { run(); });
}

EstablishedClients::~EstablishedClients() {
  stopping_ = true;
  thread_.join();
}

void EstablishedClients::run() {
  std::vector<pollfd> watched;
  while (!stopping_) {
    watched.clear();
    // The descriptors stay for the clients' life; one that has ended is passed over (poll(2): negative).
    for (const Client& client : clients_) {
      watched.push_back({client.end == ClientError::None ? client.stream->fd() : -1, POLLIN, 0});
    }
    constexpr int kLookForStop = 50;
    if (poll(watched.data(), watched.size(), kLookForStop) <= 0) continue;
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < watched.size(); ++i) {
      if (watched[i].revents != 0) receive(clients_[i]);
    }
  }
}

void EstablishedClients::receive(Client& client) {
  std::string bytes;
  const Step step = client.stream->receive(bytes);
  if (step == Step::Done) ++client.answers;
  if (step != Step::Failed) return;
  client.end = client.stream->error();
  client.ended = Clock::now();
}

EstablishedClients::Tally EstablishedClients::tally_since(Clock::time_point moment) const {
  const std::lock_guard lock(mutex_);
  Tally tally;
  for (const Client& client : clients_) {
    if (client.end == ClientError::None) {
      ++tally.hanging;
      continue;
    }
    ++(client.end == ClientError::Reset ? tally.reset : tally.closed);
    const auto after = std::chrono::duration_cast<microseconds>(client.ended - moment);
    tally.last_end = std::max(tally.last_end.value_or(after), after);
  }
  return tally;
}

bool EstablishedClients::wait_until_ended(std::chrono::milliseconds limit) const {
  return wait_until([&] { return tally_since({}).hanging == 0; }, limit);
}

unsigned EstablishedClients::ask_again(std::chrono::milliseconds limit) {
  std::vector<unsigned> before;
  {
    const std::lock_guard lock(mutex_);
    for (Client& client : clients_) {
      before.push_back(client.answers);
      if (client.is_silent || client.end != ClientError::None) continue;
      std::string_view byte = kByte;
      client.stream->send(byte);
    }
  }
  const auto answered = [&] {
    const std::lock_guard lock(mutex_);
    unsigned count = 0;
    for (std::size_t i = 0; i < clients_.size(); ++i) count += clients_[i].answers > before[i] ? 1 : 0;
    return count;
  };
  const auto asked = static_cast<unsigned>(
      std::ranges::count_if(clients_, [](const Client& client) { return !client.is_silent; }));
  wait_until([&] { return answered() == asked; }, limit);
  return answered();
}

std::string to_string(const EstablishedClients::Tally& tally) {
  std::string text;
  const auto add = [&](unsigned count, const char* what) {
    if (count > 0) text += (text.empty() ? "" : ", ") + std::to_string(count) + what;
  };
  add(tally.hanging, " hang");
  add(tally.closed, " end of stream");
  add(tally.reset, " reset");
  if (!tally.last_end) return text;
  std::array<char, 32> time;
  std::snprintf(time.data(), time.size(), " in %.1f ms", static_cast<double>(tally.last_end->count()) / 1000);
  return text + time.data();
}

}  // namespace vipward::test
