// Signals to the guardian in the middle of a reload: none is lost.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <atomic>
#include <functional>

#include "lb/net/fd.h"
#include "tests/support/syscall_steps.h"
#include "tests/support/wait.h"
#include "tests/system/guarded.h"
#include "tests/system/served_folder.h"
#include "tests/system/succession_moments.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;
using Who = SyscallSteps::Who;
using Step = SyscallSteps::Step;

SyscallSteps::Options tracing(const ServedFolder& vipward, std::function<void(const Step&)> on_step) {
  return {.parent = vipward.guardian(),
          .elder = vipward.proxy(),
          .younger_command = "proxy",
          .numbers = {SYS_execveat, SYS_recvmsg, SYS_sendmsg},
          .on_step = std::move(on_step)};
}

Moment each_moment() {
  Moment moment = Moment::BeforeTheCommit;
  SUBCASE("before the commit") {}
  SUBCASE("at the commit") {
    moment = Moment::AtTheCommit;
  }
  SUBCASE("after the commit") {
    moment = Moment::AfterTheCommit;
  }
  SUBCASE("during the handover") {
    moment = Moment::DuringTheHandover;
  }
  return moment;
}

TEST_CASE("a SIGHUP in the middle of a reload: another one follows") {
  Awaited moment(each_moment());
  ServedFolder vipward;
  TrafficClients clients({.target = vipward.address(), .bulk = 2, .request = 10, .idle = 100});
  {
    const SyscallSteps tracer(tracing(vipward, [&](const Step& step) {
      if (moment.is_it(step)) kill(vipward.guardian(), SIGHUP);
    }));
    vipward.must({"reload"});
    CHECK(vipward.process().wait_for_line("reload complete generation=2", 20s));
    CHECK(vipward.process().wait_for_line("reload complete generation=3", 20s));
  }
  CHECK(moment.is_over());
  CHECK(clients.count_stuck(20s) == 0);
  CHECK(clients.tally().ended() == 0);
}

TEST_CASE("a SIGTERM in the middle of a reload: everybody is reset, and vipward ends in order") {
  Awaited moment(each_moment());
  ServedFolder vipward;
  const TrafficClients clients({.target = vipward.address(), .bulk = 2, .request = 10, .idle = 100});
  {
    const SyscallSteps tracer(tracing(vipward, [&](const Step& step) {
      if (moment.is_it(step)) kill(vipward.guardian(), SIGTERM);
    }));
    vipward.command({"reload"});
    CHECK(vipward.process().wait(20s) == 0);
  }
  CHECK(moment.is_over());
  CHECK(wait_until([&] { return clients.tally().alive == 0; }, 5s));
  CHECK(clients.tally().closed == 0);
  CHECK(clients.tally().corrupt == 0);
  // But that the reload came to nothing.
  CHECK(vipward.process().count_lines("error ") ==
        vipward.process().count_lines("error reload failed, nothing changed"));
}

// In the middle of a batch: what is known has been said. The link is told by the first byte of what is said
// there (lb/handover/codec.cpp): numbers of descriptors come again.
class LinkBreaker {
 public:
  void look(const Step& step) {
    constexpr std::uint8_t kMagic = 0xB8;
    constexpr unsigned kSaid = 5;
    const bool is_link = step.who == Who::Elder && step.number == SYS_sendmsg && !step.head.empty() &&
                         step.head.front() == kMagic;
    if (is_broken_ || !is_link || ++said_ < kSaid) return;
    const Fd link = descriptor_from(step.pid, step.fd);
    is_broken_ = shutdown(link.get(), SHUT_RDWR) == 0;
  }
  bool is_broken() const { return is_broken_; }

 private:
  unsigned said_ = 0;
  std::atomic<bool> is_broken_{false};
};

TEST_CASE("a link that breaks while both proxies live: another one follows, and nobody is lost") {
  ServedFolder vipward;
  TrafficClients clients({.target = vipward.address(), .bulk = 2, .request = 10, .idle = 300});
  LinkBreaker breaker;
  {
    const SyscallSteps tracer(tracing(vipward, [&](const Step& step) { breaker.look(step); }));
    vipward.must({"reload"});
  }
  CHECK(breaker.is_broken());
  const std::string line = "link between the generations broke, another one follows";
  CHECK(vipward.process().wait_for_line(line, 20s));
  CHECK(vipward.process().count_lines(line) == 1);
  CHECK(vipward.process().count_lines("error ") == 0);
  CHECK(vipward.metric("vipward_generation") == 2);
  CHECK(vipward.metric("vipward_proxy_restarts_total") == 0);
  CHECK(clients.count_stuck(20s) == 0);
  CHECK(clients.tally().ended() == 0);
  CHECK(vipward.backend(0).corrupt() + vipward.backend(1).corrupt() == 0);
  // And what a reload needs is free again.
  vipward.must({"reload"});
  CHECK(clients.tally().ended() == 0);
}

}  // namespace
}  // namespace vipward::test
