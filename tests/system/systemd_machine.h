// A host on which systemd is PID 1: in namespaces of its own, with its own /etc, /run and /usr/local/sbin,
// and with no unit but those it is given. This machine's systemd, if it has one, takes no part. Needs root.
// Everything goes with it. Test's main thread.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/network.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace vipward::test {

class SystemdMachine {
 public:
  // Why there can be none here: "systemd is not installed"; empty: nothing is in the way.
  static std::string obstacle();

  // Boots; throws if that fails. `binary` is /usr/local/sbin/vipward there.
  SystemdMachine(const Host& host, const std::string& binary);
  ~SystemdMachine();
  SystemdMachine(const SystemdMachine&) = delete;
  SystemdMachine& operator=(const SystemdMachine&) = delete;

  // What its /etc is here.
  const std::filesystem::path& etc() const { return etc_.path(); }
  // Writes a file below its /etc, folders included: "systemd/system/vipward.service".
  void write(const std::filesystem::path& path, std::string_view content) const;
  CommandResult run(std::vector<std::string> argv, Millis limit = Millis{30000}) const;
  // What `systemctl show` says of a unit: "NRestarts".
  std::string property(const std::string& unit, const std::string& name) const;
  // Its main process, by this machine's number; 0: there is none.
  pid_t main_process_of(const std::string& unit) const;

 private:
  pid_t systemd() const;  // 0: it has ended

  TempDir etc_;
  std::filesystem::path control_group_;  // of all its processes
  Process init_;                         // unshare(1), whose child is systemd
};

}  // namespace vipward::test
