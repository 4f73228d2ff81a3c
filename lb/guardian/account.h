// The user that the proxy becomes, as ids. Looked up once, before any other thread could ask for one.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace vipward {

struct Account {
  uid_t user = 0;
  gid_t group = 0;  // the user's own, no supplementary ones
};

// `user`: a name, or a numeric id whose group is the same number unless the account is known. Throws
// std::runtime_error that says how to mend it; root is refused: the proxy speaks with strangers.
Account find_account(const std::string& user);
// Of a group, a name or a numeric id. Throws std::runtime_error.
gid_t find_group(const std::string& group);
// Throws std::runtime_error if `group`, of the control socket, is the proxy's: what strangers speak with
// could then command the guardian.
void require_other_group(const std::string& group, const Account& proxy);
// The same of a mode of the control socket that lets everybody connect (unix(7): who may write).
void require_closed_to_others(mode_t mode);

}  // namespace vipward
