#include "lb/guardian/reexecution.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "lb/guardian/rights.h"

namespace vipward {
namespace {

constexpr std::size_t kLongestState = std::size_t{64} * 1024 * 1024;

// False: one of them is not open.
bool set_close_on_exec(const std::vector<int>& descriptors, bool closes) {
  bool all = true;
  for (const int fd : descriptors) all = fcntl(fd, F_SETFD, closes ? FD_CLOEXEC : 0) == 0 && all;
  return all;
}

sigset_t held_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  return set;
}

}  // namespace

Fd state_document(std::string_view text) {
  Fd fd(memfd_create("vipward-state", MFD_CLOEXEC));
  while (fd && !text.empty()) {
    const ssize_t count = write(fd.get(), text.data(), text.size());
    if (count <= 0) fd.reset();
    if (count > 0) text.remove_prefix(static_cast<std::size_t>(count));
  }
  if (!fd) throw std::system_error(errno, std::generic_category(), "the state for the next image");
  return fd;
}

std::string reexecute(const Executable& executable, const std::string& config_path,
                      const Heritage& heritage) {
  std::vector<int> kept = descriptors_of(heritage);
  std::string error;
  try {
    const Fd document = state_document(to_text(heritage));
    kept.push_back(document.get());
    if (!set_close_on_exec(kept, false)) {
      error = "a descriptor of its heritage is not open";
    } else {
      keep_capabilities_across_exec();
      std::string name = "vipward";
      std::string command = "run";
      std::string option = "--config";
      std::string path = config_path;
      std::string inherit = "--inherit";
      std::string number = std::to_string(document.get());
      const std::array<char*, 7> arguments{name.data(),    command.data(), option.data(), path.data(),
                                           inherit.data(), number.data(),  nullptr};
      executable.execute(arguments.data());
      error = std::generic_category().message(errno);
    }
  } catch (const std::system_error& failure) {
    error = failure.what();
  }
  set_close_on_exec(kept, true);
  drop_capabilities();
  return error;
}

void hold_signals() {
  const sigset_t set = held_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void let_signals_through() {
  const sigset_t set = held_signals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

std::variant<Heritage, std::string> read_heritage(int document) {
  std::string text;
  std::array<char, 16 * 1024> chunk;
  while (text.size() <= kLongestState) {
    const ssize_t count = pread(document, chunk.data(), chunk.size(), static_cast<off_t>(text.size()));
    if (count < 0)
      return "the state of the running version cannot be read: " + std::generic_category().message(errno);
    if (count == 0) break;
    text.append(chunk.data(), static_cast<std::size_t>(count));
  }
  return parse_heritage(text);
}

std::variant<Heritage, std::string> receive_heritage(const Fd& document) {
  auto heritage = read_heritage(document.get());
  if (const auto* good = std::get_if<Heritage>(&heritage)) {
    if (!set_close_on_exec(descriptors_of(*good), true)) return "a descriptor of the last image is not open";
  }
  return heritage;
}

}  // namespace vipward
