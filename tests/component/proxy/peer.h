// The two ends a proxy stands between, played by the test: a client's or backend's connection with blocking
// calls that give up after a while, and a backend's listener. One thread at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lb/net/address.h"
#include "lb/net/fd.h"

namespace vipward::test {

// What no machine is so slow as to need.
inline constexpr std::chrono::milliseconds kPatience{20'000};

// How a connection ended, as its owner sees it.
enum class End : std::uint8_t {
  Eof,    // FIN: an end of stream
  Reset,  // RST, or the connect was refused
  None,   // it has not ended within the patience
};

class Peer {
 public:
  Peer() = default;
  explicit Peer(Fd socket);
  // Connects; a refusal shows as a reset. `receive_buffer_bytes` shrinks the window; 0: the kernel's
  // choice.
  static Peer connect_to(const SocketAddress& address, int receive_buffer_bytes = 0);

  // What the kernel takes, at least a byte; 0 after an error or when patience is over.
  std::size_t send_some(std::string_view data);
  // Everything is handed to the kernel, or false.
  bool send(std::string_view data);
  // Up to `size` bytes: fewer after an end or when patience is over.
  std::string receive(std::size_t size);
  // Sends it and gets it back.
  bool echoes(std::string_view text);
  // Reads to the end; what came is dropped, but counted in `drained_bytes`.
  End wait_end();
  std::size_t drained_bytes() const { return drained_bytes_; }
  // Whether something (bytes, an end) is there at once.
  bool is_silent() const;

  void finish();  // FIN: no more from us
  void reset();   // RST
  void close() { socket_.reset(); }
  // From now on nothing that arrives is seen, and nothing acknowledged: the peer of a cut cable.
  void go_deaf();

  int fd() const { return socket_.get(); }
  explicit operator bool() const { return static_cast<bool>(socket_); }
  SocketAddress local() const { return SocketAddress::local_of(fd()); }
  SocketAddress remote() const { return SocketAddress::peer_of(fd()); }

 private:
  Fd socket_;
  std::size_t drained_bytes_ = 0;
  bool was_reset_ = false;  // seen by a call: the kernel tells only once
};

// A backend that accepts when asked to.
class Backend {
 public:
  explicit Backend(std::string_view address = "127.0.0.1:0");
  const SocketAddress& address() const { return address_; }
  // The next session's backend side; an empty Peer when patience is over.
  Peer accept();
  // Whether a connection waits.
  bool is_called() const;
  // Connects are refused from now on; queued ones are reset.
  void refuse() { listener_.reset(); }
  int listener() const { return listener_.get(); }
  // SYNs vanish from now on / are answered again.
  void go_deaf();
  void hear_again();

 private:
  Fd listener_;
  SocketAddress address_;
};

// Nobody listens there, and nobody else gets it while this lives.
class RefusingAddress {
 public:
  RefusingAddress();
  const SocketAddress& address() const { return address_; }

 private:
  Fd bound_;
  SocketAddress address_;
};

// The bytes of a stream, repeatable at any offset: what arrives is compared, not trusted.
class Pattern {
 public:
  explicit Pattern(std::uint32_t seed);
  // At most `size` bytes of the stream from `offset` on.
  std::string_view at(std::uint64_t offset, std::size_t size) const;

 private:
  std::string block_;
};

// Sends `total` bytes of the pattern; how many were sent.
std::uint64_t send_pattern(Peer& peer, const Pattern& pattern, std::uint64_t total);
// Receives until the end or `total` bytes; how many came and were right.
std::uint64_t receive_pattern(Peer& peer, const Pattern& pattern, std::uint64_t total);

}  // namespace vipward::test
