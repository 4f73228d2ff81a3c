// Which accounts the proxy may have, and what the guardian takes and gives back before it serves.
#include "lb/guardian/rights.h"

#include <doctest/doctest.h>
#include <sys/capability.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "lb/guardian/account.h"

namespace vipward::test {
namespace {

// A child that does this and exits with 0 if it is true. Nothing of doctest happens in it.
template <class Function>
bool holds_in_child(Function function) {
  const pid_t pid = fork();
  if (pid == 0) _exit(function() ? 0 : 1);
  int status = 0;
  return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST_CASE("a user is a name or a number, and never root") {
  const Account nobody = find_account("nobody");
  CHECK(nobody.user == 65534);
  CHECK(nobody.group == 65534);
  CHECK(find_account("65534").user == 65534);
  // Unknown to the machine, and a number all the same.
  const Account number = find_account("4000000");
  CHECK(number.user == 4000000);
  CHECK(number.group == 4000000);
  CHECK_THROWS_WITH_AS(find_account("root"),
                       "user: root is root, allowed: a user without rights, such as vipward",
                       std::runtime_error);
  CHECK_THROWS_WITH_AS(find_account("0"), "user: 0 is root, allowed: a user without rights, such as vipward",
                       std::runtime_error);
  CHECK_THROWS_WITH_AS(find_account("no-such-user"),
                       "user: there is no user no-such-user; create it with useradd --system "
                       "--no-create-home --shell /usr/sbin/nologin no-such-user, or name another one with "
                       "the key user",
                       std::runtime_error);
}

TEST_CASE("the control socket's group is not the proxy's, by name or by number") {
  const Account nobody = find_account("nobody");
  for (const std::string group : {"nogroup", "65534"}) {
    CHECK_THROWS_WITH_AS(require_other_group(group, nobody),
                         ("control_socket.group: " + group +
                          " is the group of the key user, whose process could then command vipward; "
                          "allowed: another group")
                             .c_str(),
                         std::runtime_error);
  }
  CHECK_NOTHROW(require_other_group("root", nobody));
  CHECK_NOTHROW(require_other_group("4000000", nobody));
}

TEST_CASE("the control socket is not for everybody to write to") {
  for (const mode_t mode : {0666U, 0602U, 0777U}) {
    std::ostringstream text;
    text
        << "control_socket.mode: 0" << std::oct << mode
        << " lets everybody command vipward, the process of the key user as well; allowed: no right to write "
           "for others, such as 0660 with control_socket.group";
    CHECK_THROWS_WITH_AS(require_closed_to_others(mode), text.str().c_str(), std::runtime_error);
  }
  for (const mode_t mode : {0600U, 0660U, 0775U, 0U}) CHECK_NOTHROW(require_closed_to_others(mode));
}

TEST_CASE("a group is a name or a number") {
  CHECK(find_group("root") == 0);
  CHECK(find_group("4000000") == 4000000);
  CHECK_THROWS_WITH_AS(find_group("no-such-group"), "control_socket.group: there is no group no-such-group",
                       std::runtime_error);
}

TEST_CASE("the soft limit of descriptors is raised to the hard one") {
  CHECK(holds_in_child([] {
    const rlimit before{.rlim_cur = 100, .rlim_max = 200};
    if (setrlimit(RLIMIT_NOFILE, &before) != 0 || raise_descriptor_limit() != 200) return false;
    rlimit after{};
    return getrlimit(RLIMIT_NOFILE, &after) == 0 && after.rlim_cur == 200 && after.rlim_max == 200;
  }));
}

TEST_CASE("what a VIP needs and is not there is named") {
  if (geteuid() != 0) {
    MESSAGE("only root has it");
    return;
  }
  CHECK(missing_for_vip().empty());
  const auto missing_without = [](std::vector<cap_value_t> dropped) {
    std::vector<std::string> missing;
    // Capabilities are a thread's own.
    std::thread([&] {
      const cap_t set = cap_get_proc();
      cap_set_flag(set, CAP_EFFECTIVE, static_cast<int>(dropped.size()), dropped.data(), CAP_CLEAR);
      cap_set_proc(set);
      cap_free(set);
      missing = missing_for_vip();
    }).join();
    return missing;
  };
  CHECK(missing_without({CAP_NET_RAW}) == std::vector<std::string>{"CAP_NET_RAW"});
  CHECK(missing_without({CAP_NET_ADMIN, CAP_NET_RAW}) ==
        std::vector<std::string>{"CAP_NET_ADMIN", "CAP_NET_RAW"});
}

TEST_CASE("six capabilities are kept, the rest cannot come back") {
  if (geteuid() != 0) {
    MESSAGE("only root has them");
    return;
  }
  constexpr cap_value_t kKept[] = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE,
                                   CAP_KILL,      CAP_SETUID,  CAP_SETGID};
  std::thread([&] {
    drop_capabilities();
    const cap_t set = cap_get_proc();
    for (cap_value_t capability = 0; capability <= cap_max_bits() - 1; ++capability) {
      CAPTURE(capability);
      const bool kept = std::ranges::find(kKept, capability) != std::end(kKept);
      for (const cap_flag_t flag : {CAP_PERMITTED, CAP_EFFECTIVE}) {
        cap_flag_value_t value = CAP_CLEAR;
        CHECK(cap_get_flag(set, capability, flag, &value) == 0);
        CHECK((value == CAP_SET) == kept);
      }
      cap_flag_value_t inheritable = CAP_CLEAR;
      CHECK(cap_get_flag(set, capability, CAP_INHERITABLE, &inheritable) == 0);
      CHECK(inheritable == CAP_CLEAR);
    }
    const cap_value_t chown = CAP_CHOWN;
    cap_set_flag(set, CAP_EFFECTIVE, 1, &chown, CAP_SET);
    cap_set_flag(set, CAP_PERMITTED, 1, &chown, CAP_SET);
    CHECK(cap_set_proc(set) != 0);
    cap_free(set);
  }).join();
}

}  // namespace
}  // namespace vipward::test
