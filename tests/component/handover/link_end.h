// One end of a handover's link in the test's hands: says and hears messages one by one, with blocking calls
// that give up after a while. One thread.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "lb/handover/codec.h"

namespace vipward::test {

class LinkEnd {
 public:
  explicit LinkEnd(Fd socket);

  // As the predecessor, as the successor.
  bool say(const handover::ToSuccessor& message) { return send(handover::encode(message)); }
  bool say(const handover::ToPredecessor& message) { return send(handover::encode(message)); }
  bool say_bytes(std::vector<std::uint8_t> bytes) {
    return send({.bytes = std::move(bytes), .descriptors = {}});
  }
  // The next message of the other one; nullopt: it went, or patience is over.
  std::optional<handover::ToSuccessor> hear_predecessor();
  std::optional<handover::ToPredecessor> hear_successor();
  // Hears messages until one of this kind has come.
  template <class Kind>
  std::optional<Kind> hear_until() {
    while (auto message = hear_predecessor()) {
      if (auto* of_kind = std::get_if<Kind>(&*message)) return std::move(*of_kind);
    }
    return std::nullopt;
  }
  // The other one goes; what it still says is dropped.
  bool wait_end();
  void go() { socket_.reset(); }

 private:
  bool send(const channel::Packet& packet);
  struct Received {
    std::vector<std::uint8_t> bytes;
    std::vector<Fd> descriptors;
  };
  std::optional<Received> receive();

  Fd socket_;
};

}  // namespace vipward::test
