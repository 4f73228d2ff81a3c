#include "lb/guardian/briefing.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace vipward {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

Fd sealed_copy(const std::string& text) {
  Fd fd(memfd_create("vipward-config", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) fail("memfd_create");
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = write(fd.get(), text.data() + written, text.size() - written);
    if (count < 0) fail("memfd");
    written += static_cast<std::size_t>(count);
  }
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    fail("memfd");
  return fd;
}

// False: no descriptor is left.
bool duplicate_all(const std::vector<Fd>& sockets, std::vector<Fd>& copies) {
  for (const Fd& socket : sockets) {
    copies.push_back(socket.duplicate());
    if (!copies.back()) return false;
  }
  return true;
}

}  // namespace

channel::CheckFiles message_of(FileWatch::Opened files) {
  return {.service = files.service, .files = std::move(files.files)};
}

bool is_whole(const FileWatch::Opened& files) {
  return std::ranges::all_of(files.files, [](const channel::NamedFd& file) { return bool(file.file); });
}

Briefing::Briefing(std::string config_name, const std::string& config_text)
    : config_name_(std::move(config_name)), config_text_(sealed_copy(config_text)) {}

bool Briefing::give(ProxyProcess& proxy, const ListenerSet& listeners, std::vector<FileWatch::Opened> files,
                    Marked marked) const {
  channel::Setup setup{.generation = proxy.number(),
                       .config_name = config_name_,
                       .config_text = config_text_.duplicate(),
                       .vitals = duplicate_of(proxy.vitals_fd()),
                       .departing = marked.departing};
  if (!setup.config_text || !setup.vitals) return false;
  proxy.send(std::move(setup));
  proxy.send(std::move(marked.drains));
  for (FileWatch::Opened& of_service : files) {
    if (!is_whole(of_service)) return false;
    proxy.send(message_of(std::move(of_service)));
  }
  for (const ListenerSet::Group& group : listeners.services()) {
    channel::ServiceListeners message{
        .service = group.service, .address = group.address_index, .sockets = {}};
    if (!duplicate_all(group.sockets, message.sockets)) return false;
    proxy.send(std::move(message));
  }
  channel::AdminListeners admin;
  for (const ListenerSet::AdminListener& listener : listeners.admin()) {
    admin.sockets.push_back(listener.socket.duplicate());
    if (!admin.sockets.back()) return false;
  }
  proxy.send(std::move(admin));
  return true;
}

}  // namespace vipward
