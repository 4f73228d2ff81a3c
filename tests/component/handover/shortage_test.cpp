// Descriptors run out in the middle of a handover: slower, never lost. In a process of their own, as another
// user: root may pass as many descriptors as it likes (unix(7), ETOOMANYREFS).
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>

#include "tests/component/handover/link_end.h"
#include "tests/component/handover/side.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

void set_descriptor_limit(rlim_t soft) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = soft;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) std::perror("setrlimit");
}

// One more than the highest number in use.
rlim_t next_descriptor() {
  rlim_t next = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    next = std::max<rlim_t>(next, std::stoul(entry.path().filename().string()) + 1);
  return next;
}

// `task` in a child as nobody: what is wrong, or an empty string.
std::string problem_as_nobody(const std::function<std::string()>& task) {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  const Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    std::string problem;
    alarm(60);
    set_descriptor_limit(4096);
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) problem = "cannot become nobody";
    try {
      if (problem.empty()) problem = task();
    } catch (const std::exception& error) {
      problem = error.what();
    }
    problem += '\n';
    if (write(write_end.get(), problem.data(), problem.size()) < 0) std::perror("write");
    _exit(0);
  }
  write_end.reset();
  std::string text;
  std::array<char, 1024> buffer{};
  for (ssize_t n = 0; (n = read(read_end.get(), buffer.data(), buffer.size())) > 0;)
    text.append(buffer.data(), static_cast<std::size_t>(n));
  waitpid(child, nullptr, 0);
  if (!text.ends_with('\n')) return "it died";
  text.pop_back();
  return text;
}

struct Bench {
  Listeners listeners;
  Backend backend;
  Side first{service_of({backend.address()})};
  std::vector<Ends> sessions;

  explicit Bench(std::size_t count) {
    first.serve(listeners);
    for (std::size_t i = 0; i < count; ++i) {
      Ends& ends = sessions.emplace_back();
      ends.client = listeners.connect();
      ends.client.send("x");
      ends.backend = backend.accept();
      if (ends.backend.receive(1) != "x") throw std::runtime_error("no session");
    }
  }
  bool all_work() {
    return std::ranges::all_of(sessions, [](Ends& ends) { return works(ends); });
  }
};

// Whether no more descriptors may be in flight. Made beforehand: it needs two itself.
class Probe {
 public:
  Probe() {
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends.data()) != 0) throw std::runtime_error("no socket pair");
    one_.reset(ends[0]);
    other_.reset(ends[1]);
  }
  bool is_refused() const {
    char byte = 0;
    iovec data{&byte, 1};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control{};
    msghdr header{};
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* const part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    const int passed = one_.get();
    std::memcpy(CMSG_DATA(part), &passed, sizeof passed);
    return sendmsg(one_.get(), &header, 0) < 0 && errno == ETOOMANYREFS;
  }

 private:
  Fd one_;
  Fd other_;
};

// The first batch is in flight, the second one has to wait until the successor reads.
std::string too_many_in_flight() {
  Bench bench(200);
  Link link;
  LinkEnd successor(std::move(link.successor));
  const Probe probe;
  set_descriptor_limit(50);
  bench.first.hand_over(std::move(link.predecessor));
  if (!wait_until([&] { return bench.first.sessions() == 40; }, kPatience)) return "no two batches";
  if (!wait_until([&] { return probe.is_refused(); }, kPatience)) return "the limit does not bite";
  set_descriptor_limit(4096);
  std::size_t batches = 0;
  std::vector<handover::SessionState> held;
  while (auto message = successor.hear_predecessor()) {
    if (auto* batch = std::get_if<handover::Sessions>(&*message)) {
      ++batches;
      std::ranges::move(batch->sessions, std::back_inserter(held));
    }
    if (auto* end = std::get_if<handover::BatchEnd>(&*message))
      successor.say(handover::Taken{.batch = end->batch});
    if (std::holds_alternative<handover::End>(*message)) break;
  }
  if (batches < 3 || held.size() != 200) return "not every session arrived";
  if (!bench.first.wait_moved() || bench.first.moved() != 200U) return "it did not end";
  return "";
}

TEST_CASE("descriptors in flight beyond the limit wait for the receiver") {
  CHECK(problem_as_nobody([] { return too_many_in_flight(); }) == "");
}

// The receiver has room for some of the sessions, and later for all.
std::string limit_in_the_middle() {
  Bench bench(100);
  Side second(service_of({bench.backend.address()}));
  Link link;
  second.take_over(std::move(link.successor), bench.listeners);
  set_descriptor_limit(next_descriptor() + 60);
  bench.first.hand_over(std::move(link.predecessor));
  if (!wait_until([&] { return second.sessions() > 0; }, kPatience)) return "not one fitted";
  if (!bench.all_work()) return "a session was lost while there was no room";
  set_descriptor_limit(4096);
  if (!bench.first.wait_moved()) return "it never ended";
  if (bench.first.moved() != 100U) return "not all of them were moved";
  return bench.all_work() ? "" : "a session was lost";
}

TEST_CASE("a receiver without room refuses, and gets the sessions later, smaller batches first") {
  CHECK(problem_as_nobody([] { return limit_in_the_middle(); }) == "");
}

}  // namespace
}  // namespace vipward::test
