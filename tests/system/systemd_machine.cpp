#include "tests/system/systemd_machine.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

constexpr const char* kSystemd = "/lib/systemd/systemd";
constexpr std::string_view kPrefix = "vipward-systemd-";

// What a program finds in every /etc: users, and where libraries are.
constexpr const char* kCopied[] = {"passwd",        "group",       "shadow",    "gshadow",
                                   "nsswitch.conf", "ld.so.cache", "machine-id"};

// Arguments: a control group to be made, the folder that becomes /etc, the binary. The process joins the
// control group first, which is then the root of what systemd sees. /dev/console is not this machine's to
// print on, its kernel settings are not to be touched, and the units of /lib/systemd would start half a
// system.
constexpr const char* kBoot = R"(
set -eu
mkdir "$1"
echo $$ >"$1/cgroup.procs"
exec unshare --mount --pid --ipc --uts --cgroup --fork --kill-child bash -euc '
  mount --make-rprivate /
  mount --bind "$1" /etc
  mount -t tmpfs tmpfs /run
  mount -t tmpfs tmpfs /usr/local/sbin
  : >/usr/local/sbin/vipward
  mount --bind "$2" /usr/local/sbin/vipward
  mount --bind /dev/null /dev/console
  umount -R /sys/fs/cgroup || true
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mount -t proc proc /proc
  mount --bind /proc/sys /proc/sys
  mount -o remount,bind,ro /proc/sys
  exec env -i PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin container=vipward-test \
    SYSTEMD_UNIT_PATH=/etc/systemd/system SYSTEMD_GENERATOR_PATH=/run/no-generators \
    "$0" --system --unit=basic.target --show-status=no --log-target=null
' "$4" "$2" "$3"
)";

// Where this machine has the unified control groups; empty: nowhere.
std::filesystem::path control_groups() {
  std::ifstream mounts("/proc/self/mounts");
  std::string device;
  std::string folder;
  std::string type;
  for (std::string rest; mounts >> device >> folder >> type && std::getline(mounts, rest);) {
    if (type == "cgroup2") return folder;
  }
  return {};
}

// The groups of the units first. False while a process is still there.
bool remove_control_group(const std::filesystem::path& group) {
  std::vector<std::filesystem::path> folders{group};
  std::error_code ignored;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(group, ignored)) {
    if (entry.is_directory(ignored)) folders.push_back(entry.path());
  }
  std::ranges::sort(folders, std::greater());
  for (const auto& folder : folders) rmdir(folder.c_str());
  return !std::filesystem::exists(group, ignored);
}

// What a killed run left behind.
void remove_left_overs(const std::filesystem::path& groups) {
  std::error_code ignored;
  std::vector<std::filesystem::path> left;
  for (const auto& entry : std::filesystem::directory_iterator(groups, ignored)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(kPrefix)) continue;
    if (is_process_gone(std::atoi(name.c_str() + kPrefix.size()))) left.push_back(entry.path());
  }
  for (const auto& group : left) remove_control_group(group);
}

std::string trimmed(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

std::string SystemdMachine::obstacle() {
  if (access(kSystemd, X_OK) != 0) return "systemd is not installed";
  const std::filesystem::path groups = control_groups();
  if (groups.empty()) return "no cgroup2 file system is mounted";
  const std::filesystem::path trial = groups / (std::string(kPrefix) + std::to_string(getpid()) + "-trial");
  std::error_code error;
  if (!std::filesystem::create_directory(trial, error))
    return "no control group can be made: " + error.message();
  rmdir(trial.c_str());
  return "";
}

SystemdMachine::SystemdMachine(const Host& host, const std::string& binary)
    : control_group_([] {
        static int number = 0;
        remove_left_overs(control_groups());
        return control_groups() /
               (std::string(kPrefix) + std::to_string(getpid()) + "-" + std::to_string(++number));
      }()),
      init_([&] {
        for (const char* name : kCopied) {
          std::error_code ignored;
          std::filesystem::copy_file(std::filesystem::path("/etc") / name, etc_.path() / name, ignored);
        }
        // What every unit asks for unless it says otherwise.
        write("systemd/system/sysinit.target", "[Unit]\nDefaultDependencies=no\n");
        write("systemd/system/basic.target", "[Unit]\nDefaultDependencies=no\n");
        return host.spawn({"bash", "-c", kBoot, "boot", control_group_, etc_.path(), binary, kSystemd});
      }()) {
  const auto is_up = [&] {
    return !init_.is_running() || run({"systemctl", "is-system-running"}).standard_output == "running\n";
  };
  if (!wait_until(is_up, 20s) || !init_.is_running())
    throw std::runtime_error("systemd does not boot: " + init_.output_tail());
}

SystemdMachine::~SystemdMachine() {
  init_.kill();
  // The kernel ends its children after it.
  wait_until([&] { return remove_control_group(control_group_); }, 10s);
}

void SystemdMachine::write(const std::filesystem::path& path, std::string_view content) const {
  const std::filesystem::path file = etc_.path() / path;
  std::filesystem::create_directories(file.parent_path());
  // Whatever the umask of the test is: other users read it, too.
  for (auto folder = file.parent_path(); folder != etc_.path().parent_path(); folder = folder.parent_path())
    std::filesystem::permissions(folder, std::filesystem::perms{0755});
  write_file(file, content);
}

pid_t SystemdMachine::systemd() const {
  const std::vector<pid_t> children = children_of(init_.pid());
  return children.empty() ? 0 : children.front();
}

CommandResult SystemdMachine::run(std::vector<std::string> argv, Millis limit) const {
  const pid_t inside = systemd();
  if (inside == 0) return {.exit_code = 127, .standard_output = "", .standard_error = "systemd has ended"};
  argv.insert(argv.begin(), {"nsenter", "--target", std::to_string(inside), "--mount", "--pid", "--net",
                             "--ipc", "--uts", "--cgroup", "--"});
  return run_command(std::move(argv), limit);
}

std::string SystemdMachine::property(const std::string& unit, const std::string& name) const {
  return trimmed(run({"systemctl", "show", "--value", "--property", name, unit}).standard_output);
}

// systemd knows it by its number in the pid namespace there, which is the last one that proc(5) has: NSpid.
pid_t SystemdMachine::main_process_of(const std::string& unit) const {
  const std::string inside = property(unit, "MainPID");
  std::ifstream members(control_group_ / "system.slice" / unit / "cgroup.procs");
  for (pid_t pid = 0; members >> pid;) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("NSpid:") && line.ends_with('\t' + inside)) return pid;
    }
  }
  return 0;
}

}  // namespace vipward::test
