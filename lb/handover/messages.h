// What a proxy tells its successor when it hands over, and what that answers, as plain values: one variant
// per direction, one message per packet (codec.h). The two may be of different binaries.
//
//   predecessor                                        successor
//   Backends ... Counts ... Known                      serves new clients from now on
//   Sessions 1, Bytes ..., BatchEnd 1                  Taken 1: everything is here, nothing is touched yet
//   Yours 1: closes its own descriptors                serves them
//   ... Counts ... End
//
// A session has one owner: until Yours is in the link the predecessor, which takes a batch back when the link
// ends before, or when the answer is Refused; then the successor, which closes what it holds of a batch that
// never became its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "health/memory.h"
#include "lb/handover/counts.h"
#include "lb/net/address.h"
#include "lb/net/fd.h"
#include "lb/proxy/session_record.h"

namespace vipward::handover {

// ---- predecessor -> successor

// A backend by its position at the predecessor's, which Sessions refer to.
struct KnownBackend {
  std::uint32_t service = 0;
  std::uint32_t backend = 0;
  std::string service_name;
  std::string name;
  std::string address;
  BackendMemory memory;
};
struct Backends {
  static constexpr std::size_t kMost = 16;
  std::vector<KnownBackend> backends;
};

// A part of what has been counted so far. Said at the beginning, and again, all of it, at the end: the later
// one counts.
struct Counts {
  static constexpr std::size_t kMost = 8;  // of each kind
  std::vector<ServiceCounts> services;
  std::vector<BackendCounts> backends;
  std::optional<ProcessCounts> process;
};

// All backends have been named.
struct Known {
  std::uint32_t sessions = 0;  // that are to come, if none ends before
};

// What a relay holds, without its bytes, which follow in Bytes.
struct RelayState {
  std::uint64_t bytes = 0;
  std::uint32_t unsent_bytes = 0;
  std::uint32_t opening_bytes = 0;
  std::uint32_t opening_limit = 0;
  bool holds_empty_end = false;
  bool source_ended = false;
  bool finished = false;
};

// Times are nanoseconds of steady_clock, which is one clock for all processes.
struct SessionState {
  std::uint32_t service = 0;
  std::optional<std::uint32_t> backend;
  bool is_relaying = false;  // else it waits for the client's first byte
  Fd client;
  Fd backend_socket;  // of one that relays
  std::string client_address;
  std::string own_address;
  std::int32_t attempt_error = 0;
  std::int64_t plan_deadline_ns = 0;
  std::vector<std::uint16_t> tried;  // backends
  RelayState to_backend;
  RelayState to_client;
  bool client_finished_first = false;
  std::int64_t first_data_limit_ns = 0;
  std::int64_t idle_limit_ns = 0;
  std::int64_t half_close_limit_ns = 0;
  std::int64_t accepted_at_ns = 0;
  std::int64_t attempt_started_at_ns = 0;
  std::int64_t established_at_ns = 0;
  std::int64_t last_activity_at_ns = 0;
  std::int64_t detached_at_ns = 0;
};

// The head of a batch. Numbers of batches grow. Each session has two descriptors, and a packet carries 253 at
// most (unix(7)) and 64 KiB.
struct Sessions {
  static constexpr std::size_t kMost = 80;
  std::uint32_t batch = 0;
  std::vector<SessionState> sessions;
};

enum class BytesOf : std::uint8_t { ToBackendUnsent, ToBackendOpening, ToClientUnsent };
inline constexpr std::size_t kBytesOf = 3;
// The next bytes of a session of the batch, in order.
struct Bytes {
  static constexpr std::size_t kMost = std::size_t{48} * 1024;
  std::uint32_t batch = 0;
  std::uint32_t session = 0;  // position in the batch
  BytesOf of = BytesOf::ToBackendUnsent;
  std::vector<std::byte> chunk;
};
// What one relay may hold, all that a splice left over at most, and all of a batch together.
inline constexpr std::size_t kLongestHeld = Pipe::kMostBytes;
inline constexpr std::size_t kLongestBatch = std::size_t{8} * 1024 * 1024;

// Everything of the batch has been sent.
struct BatchEnd {
  std::uint32_t batch = 0;
};
// The batch is the successor's.
struct Yours {
  std::uint32_t batch = 0;
};
// There is nothing more.
struct End {};

using ToSuccessor = std::variant<Backends, Counts, Known, Sessions, Bytes, BatchEnd, Yours, End>;

// ---- successor -> predecessor; neither carries a descriptor

// Everything of the batch is here.
struct Taken {
  std::uint32_t batch = 0;
};
// Its descriptors found no room here: try again later.
struct Refused {
  std::uint32_t batch = 0;
};
using ToPredecessor = std::variant<Taken, Refused>;

}  // namespace vipward::handover
