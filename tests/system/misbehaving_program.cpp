// What an upgrade must survive: a program that does as the real one does, but for one thing. Which, is told
// by the end of its own file, after kMark: whoever runs it can read that, whatever the folder allows and
// whatever it is called.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace {

constexpr int kInherited = 3;  // of `accept` the state, of `proxy` the channel

constexpr std::string_view kMark = "\nmisbehaviour: ";

std::string misbehaviour() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(file), {}};
  return all.substr(all.rfind(kMark) + kMark.size());
}

[[noreturn]] void hang() {
  for (;;) pause();
}

[[noreturn]] void crash() {
  prctl(PR_SET_DUMPABLE, 0);  // no core file
  std::abort();
}

// What the real one then reads was left by a version whose state has another form.
void replace_state() {
  std::string text;
  for (char byte = 0; pread(kInherited, &byte, 1, static_cast<off_t>(text.size())) == 1;) text += byte;
  constexpr std::string_view kVersion = "\"version\":";
  const std::size_t at = text.find(kVersion);
  if (at == std::string::npos) std::abort();
  text.insert(at + kVersion.size(), "4711");  // before the digits of the true one
  const int other = memfd_create("state", 0);
  if (write(other, text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      dup2(other, kInherited) != kInherited)
    std::abort();
}

int accept_like_the_real_one(char** argv) {
  execv(VIPWARD_BINARY, argv);
  return 127;
}

int accept(const std::string& how, char** argv) {
  if (how == "crashes in accept") crash();
  if (how == "hangs in accept") hang();
  if (how == "does not know the state") replace_state();
  return accept_like_the_real_one(argv);
}

int proxy(const std::string& how) {
  if (how == "crashes as proxy") crash();
  if (how == "leaves as proxy") return 3;
  if (how == "talks nonsense as proxy" && write(kInherited, "nonsense", 8) != 8) std::abort();
  if (how == "closes its channel as proxy") close(kInherited);
  hang();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string how = misbehaviour();
  const std::string_view command = argc > 1 ? argv[1] : "";
  if (command == "accept") return accept(how, argv);
  if (command == "proxy") return proxy(how);
  return 127;
}
