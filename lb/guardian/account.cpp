#include "lb/guardian/account.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <stdexcept>

namespace vipward {
namespace {

std::optional<id_t> parse_id(const std::string& text) {
  id_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return id;
}

}  // namespace

Account find_account(const std::string& user) {
  const std::optional<id_t> id = parse_id(user);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): there is no other thread yet
  const passwd* entry = id ? getpwuid(*id) : getpwnam(user.c_str());
  if (entry == nullptr && !id) {
    throw std::runtime_error("user: there is no user " + user +
                             "; create it with useradd --system --no-create-home --shell /usr/sbin/nologin " +
                             user + ", or name another one with the key user");
  }
  const Account account = entry != nullptr ? Account{.user = entry->pw_uid, .group = entry->pw_gid}
                                           : Account{.user = *id, .group = *id};
  if (account.user == 0) {
    throw std::runtime_error("user: " + user + " is root, allowed: a user without rights, such as vipward");
  }
  return account;
}

gid_t find_group(const std::string& group) {
  const std::optional<id_t> id = parse_id(group);
  if (id) return *id;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): there is no other thread yet
  const struct group* entry = getgrnam(group.c_str());
  if (entry == nullptr) throw std::runtime_error("control_socket.group: there is no group " + group);
  return entry->gr_gid;
}

void require_other_group(const std::string& group, const Account& proxy) {
  if (find_group(group) != proxy.group) return;
  throw std::runtime_error("control_socket.group: " + group +
                           " is the group of the key user, whose process could then command vipward; "
                           "allowed: another group");
}

void require_closed_to_others(mode_t mode) {
  if ((mode & S_IWOTH) == 0) return;
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%04o", mode);
  throw std::runtime_error(std::string("control_socket.mode: ") + text.data() +
                           " lets everybody command vipward, the process of the key user as well; allowed: "
                           "no right to write for others, such as 0660 with control_socket.group");
}

}  // namespace vipward
