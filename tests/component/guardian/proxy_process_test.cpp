// What is said of a proxy that does not hold to the channel, whoever finds it out. The proxies are children
// that only keep the channel, close it or end.
#include "lb/guardian/proxy_process.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/component/guardian/guardian_bench.h"

namespace vipward::test {
namespace {

// A child that does as `behave` does with its end, and what was told of it.
class Misbehaving {
 public:
  template <class Behaviour>
  explicit Misbehaving(Behaviour behave) {
    channel::Pair pair = channel::create_pair();
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      pair.guardian.reset();
      behave(pair.proxy);
      for (;;) pause();
    }
    REQUIRE(child > 0);
    pair.proxy.reset();
    const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
    REQUIRE(pidfd >= 0);
    channel_ = pair.guardian.get();
    process_ = ProxyProcess::adopt(loop,
                                   {.number = 1,
                                    .pid = child,
                                    .pidfd = pidfd,
                                    .channel = pair.guardian.release(),
                                    .vitals = dup(vitals_.fd())},
                                   {.on_message = [](const channel::ToGuardian&) {},
                                    .on_unfit = [this](const std::string& why) { unfit = why; },
                                    .on_ended = [this](const std::string& how) { ended = how; }});
  }
  ~Misbehaving() {
    if (!ended.empty()) return;
    process_->kill();
    CHECK(turn_until(loop, [this] { return !ended.empty(); }));
  }

  ProxyProcess& process() { return *process_; }
  // Without a turn of the loop, which so has not heard of it.
  void await_closed_channel() const {
    pollfd end{.fd = channel_, .events = 0, .revents = 0};
    REQUIRE(poll(&end, 1, static_cast<int>(kPatience.count())) == 1);
    REQUIRE((end.revents & POLLHUP) != 0);
  }

  Loop loop;
  std::string unfit;
  std::string ended;

 private:
  channel::VitalsPage vitals_ = channel::VitalsPage::create();
  int channel_ = -1;
  std::unique_ptr<ProxyProcess> process_;
};

TEST_CASE("a proxy that closes its channel is unfit for that, whoever notices first") {
  Misbehaving proxy([](Fd& channel) { channel.reset(); });
  proxy.await_closed_channel();
  SUBCASE("the loop, when it hears of it") {}
  SUBCASE("who sends to it") {
    proxy.process().send(channel::Serve{});
  }
  CHECK(turn_until(proxy.loop, [&] { return !proxy.unfit.empty(); }));
  CHECK(proxy.unfit == "closed its channel");
}

TEST_CASE("a proxy that does not read its channel is unfit once there is no room in it") {
  Misbehaving proxy([](Fd&) {});
  for (int i = 0; i < 10'000; ++i) proxy.process().send(channel::Serve{});
  CHECK(turn_until(proxy.loop, [&] { return !proxy.unfit.empty(); }));
  CHECK(proxy.unfit == "does not read its channel");
}

TEST_CASE("a proxy that ends is not called unfit for the channel that ends with it") {
  Misbehaving proxy([](Fd&) { _exit(3); });
  proxy.await_closed_channel();
  proxy.process().send(channel::Serve{});
  CHECK(turn_until(proxy.loop, [&] { return !proxy.ended.empty(); }));
  CHECK(proxy.ended == "exit code 3");
  CHECK(proxy.unfit.empty());
}

}  // namespace
}  // namespace vipward::test
