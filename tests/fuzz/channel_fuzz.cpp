// The guardian reads what a hostile proxy sends: whatever it is, it is refused or it is exactly a message.
// The other direction is fuzzed along. The first byte of the input is the number of descriptors that came
// with the packet. Corpus: corpus/channel.
#include <fcntl.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "lb/channel/codec.h"

namespace {

std::vector<vipward::Fd> descriptors(std::size_t count) {
  std::vector<vipward::Fd> fds(count);
  for (vipward::Fd& fd : fds) fd.reset(open("/dev/null", O_RDONLY | O_CLOEXEC));
  return fds;
}

// A packet that is accepted is what `encode` makes of its message, to the byte.
template <class Message>
void check(const std::optional<Message>& message, std::span<const std::uint8_t> bytes, std::size_t count) {
  if (!message) return;
  const vipward::channel::Packet packet = vipward::channel::encode(*message);
  if (packet.descriptors.size() != count || packet.bytes.size() != bytes.size()) std::abort();
  for (std::size_t i = 0; i < bytes.size(); ++i)
    if (packet.bytes[i] != bytes[i]) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t count = data[0] % 16;
  const std::span<const std::uint8_t> bytes(data + 1, size - 1);
  check(vipward::channel::decode_to_guardian(bytes, descriptors(count)), bytes, count);
  check(vipward::channel::decode_to_proxy(bytes, descriptors(count)), bytes, count);
  return 0;
}
