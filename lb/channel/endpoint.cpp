#include "lb/channel/endpoint.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <type_traits>

namespace vipward::channel {
namespace {

std::optional<ToProxy> decode(std::span<const std::uint8_t> bytes, std::vector<Fd> descriptors,
                              std::type_identity<ToProxy> /*direction*/) {
  return decode_to_proxy(bytes, std::move(descriptors));
}

std::optional<ToGuardian> decode(std::span<const std::uint8_t> bytes, std::vector<Fd> descriptors,
                                 std::type_identity<ToGuardian> /*direction*/) {
  return decode_to_guardian(bytes, std::move(descriptors));
}

// What a packet means: a message, or nonsense.
template <class Incoming>
auto hand_over_to(std::function<void(Incoming)> on_message) {
  return
      [on_message = std::move(on_message)](std::span<const std::uint8_t> bytes, std::vector<Fd> descriptors) {
        auto message = decode(bytes, std::move(descriptors), std::type_identity<Incoming>());
        if (!message) return false;
        const auto call = on_message;  // it may destroy the end, and with it this closure
        call(std::move(*message));
        return true;
      };
}

}  // namespace

template <class Outgoing, class Incoming>
Endpoint<Outgoing, Incoming>::Endpoint(Loop& loop, Fd socket, Handlers handlers)
    : socket_(loop, std::move(socket), {.accepts_descriptors = std::is_same_v<Incoming, ToProxy>},
              {.on_packet = hand_over_to<Incoming>(std::move(handlers.on_message)),
               .on_closed = std::move(handlers.on_closed),
               .on_refused = std::move(handlers.on_malformed),
               .on_descriptors_lost =
                   [on_lost = std::move(handlers.on_descriptors_lost)](std::span<const std::uint8_t> bytes) {
                     const auto call = on_lost;  // it may destroy the end, and with it this closure
                     if (call) call(kind_of(bytes));
                   }}) {}

template class Endpoint<ToProxy, ToGuardian>;
template class Endpoint<ToGuardian, ToProxy>;

Pair create_pair() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0)
    throw std::system_error(errno, std::system_category(), "the channel between guardian and proxy");
  return {.guardian = Fd(ends[0]), .proxy = Fd(ends[1])};
}

}  // namespace vipward::channel
