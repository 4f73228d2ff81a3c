// A proxy reads what its predecessor or its successor sends, which may be of another version and broken:
// whatever it is, it is refused or it is exactly a message, and a session of it is whole or none. The first
// byte of the input is the number of descriptors that came with the packet. Corpus: corpus/handover.
#include <fcntl.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "lb/handover/carried_session.h"
#include "lb/handover/codec.h"

namespace {

using namespace vipward;
using namespace vipward::handover;

std::vector<Fd> descriptors(std::size_t count) {
  std::vector<Fd> fds(count);
  for (Fd& fd : fds) fd.reset(open("/dev/null", O_RDONLY | O_CLOEXEC));
  return fds;
}

// A packet that is accepted is what `encode` makes of its message, to the byte.
template <class Message>
void check(const std::optional<Message>& message, std::span<const std::uint8_t> bytes, std::size_t count) {
  if (!message) return;
  const Packet packet = encode(*message);
  if (packet.descriptors.size() != count || packet.bytes.size() != bytes.size()) std::abort();
  for (std::size_t i = 0; i < bytes.size(); ++i)
    if (packet.bytes[i] != bytes[i]) std::abort();
}

// With all the bytes that it says it holds, and with one too many.
void check_session(SessionState state, std::size_t surplus) {
  ArrivingSession arriving{.state = std::move(state)};
  arriving.to_backend_unsent.resize(arriving.state.to_backend.unsent_bytes + surplus);
  arriving.to_backend_opening.resize(arriving.state.to_backend.opening_bytes);
  arriving.to_client_unsent.resize(arriving.state.to_client.unsent_bytes);
  const std::size_t unsent = arriving.to_client_unsent.size();
  auto record = record_of(std::move(arriving));
  if (!record) return;
  if (surplus > 0) std::abort();
  // What would be sent on is what came.
  if (lend(*record).to_client.unsent_bytes != unsent) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t count = data[0] % 16;
  const std::span<const std::uint8_t> bytes(data + 1, size - 1);
  check(decode_to_predecessor(bytes, descriptors(count)), bytes, count);
  for (const std::size_t surplus : {std::size_t{0}, std::size_t{1}}) {
    auto message = decode_to_successor(bytes, descriptors(count));
    check(message, bytes, count);
    if (!message) break;
    if (auto* sessions = std::get_if<Sessions>(&*message)) {
      for (SessionState& state : sessions->sessions) check_session(std::move(state), surplus);
    }
  }
  return 0;
}
