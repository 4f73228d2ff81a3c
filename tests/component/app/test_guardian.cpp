#include "tests/component/app/test_guardian.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>

#include "lb/net/socket.h"

namespace vipward::test {

TestGuardian::TestGuardian(Fd channel, Fd control_listener) : control_listener_(std::move(control_listener)) {
  end_ = std::make_unique<channel::GuardianEnd>(
      loop_, std::move(channel),
      channel::GuardianEnd::Handlers{
          .on_message = [this](channel::ToGuardian message) { on_message(std::move(message)); },
          .on_closed = [] {},
          .on_malformed = [] {}});
  if (control_listener_) {
    control_ =
        std::make_unique<Poll>(loop_, control_listener_.get(), [this](Poll::Ready) { pass_connections(); });
    control_->watch({.read = true});
  }
  thread_ = std::thread([this] { loop_.run(); });
}

TestGuardian::~TestGuardian() {
  loop_.post([this] {
    end_.reset();
    control_.reset();
  });
  loop_.stop();
  thread_.join();
}

void TestGuardian::send(channel::ToProxy message) {
  // A task can be copied, a message cannot; owner: the task.
  const auto kept = std::make_shared<channel::ToProxy>(std::move(message));
  loop_.post([this, kept] {
    if (end_) end_->send(std::move(*kept));
  });
}

void TestGuardian::go() {
  loop_.post([this] { end_.reset(); });
}

void TestGuardian::on_message(channel::ToGuardian message) {
  const std::lock_guard lock(mutex_);
  heard_.push_back(std::move(message));
}

void TestGuardian::pass_connections() {
  SocketAddress nobody;
  while (Fd connection = accept_from(control_listener_.get(), nobody)) {
    // "http\n", which the client sends at once.
    pollfd line{.fd = connection.get(), .events = POLLIN, .revents = 0};
    std::array<char, 5> word{};
    if (poll(&line, 1, 1000) != 1 || recv(connection.get(), word.data(), word.size(), 0) != 5) continue;
    if (end_) end_->send(channel::HttpConnection{.socket = std::move(connection)});
  }
}

}  // namespace vipward::test
