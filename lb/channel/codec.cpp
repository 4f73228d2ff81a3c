#include "lb/channel/codec.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

namespace vipward::channel {
namespace {

// The first bytes of a packet; then the kind of the message: its place in the variant.
constexpr std::uint8_t kMagic = 0xB7;
constexpr std::uint8_t kVersion = 1;

constexpr std::size_t kLongestPath = 4096;
constexpr std::size_t kLongestName = 64;
constexpr std::size_t kMostNames = 64;
// The limits of the configuration: services, and entries of a service's `listen` times addresses of the VIP.
constexpr std::uint32_t kMostServices = 256;
constexpr std::uint32_t kMostServiceAddresses = 64 * 64;
constexpr std::size_t kMostAdminListeners = 64;
constexpr std::int64_t kLastUnixMs = 253'402'300'799'999;  // the end of the year 9999

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

// Writer and Reader have the same words, so that one description of a message serves both.
class Writer {
 public:
  template <class T>
  using Ref = const T&;

  explicit Writer(std::size_t kind) {
    put(kMagic);
    put(kVersion);
    put(static_cast<std::uint8_t>(kind));
  }

  template <class T>
  void number(T value) {
    put(value);
  }
  template <class T>
  void number(T value, T least, T most) {
    put(std::clamp(value, least, most));
  }
  void flag(bool value) { put(static_cast<std::uint8_t>(value)); }
  template <class E>
  void choice(E value, std::size_t /*choices*/) {
    put(static_cast<std::uint8_t>(value));
  }
  void text(const std::string& value, std::size_t longest) {
    std::size_t size = std::min(value.size(), longest);
    // Not in the middle of a character.
    while (size < value.size() && size > 0 && (static_cast<unsigned char>(value[size]) & 0xC0) == 0x80)
      --size;
    put(static_cast<std::uint16_t>(size));
    for (const char c : value.substr(0, size)) put(static_cast<std::uint8_t>(is_control(c) ? '?' : c));
  }
  // What is beyond `most` is left out.
  template <class T, class Item>
  void list(const std::vector<T>& values, std::size_t most, Item item) {
    const std::size_t size = std::min(values.size(), most);
    put(static_cast<std::uint8_t>(size));
    for (std::size_t i = 0; i < size; ++i) item(values[i]);
  }
  template <class T, class Item>
  void maybe(const std::optional<T>& value, Item item) {
    flag(value.has_value());
    if (value) item(*value);
  }
  void descriptor(const Fd& fd) {
    require(static_cast<bool>(fd), "a message without its descriptor");
    packet_.descriptors.push_back(fd.get());
  }
  void descriptors(const std::vector<Fd>& fds, std::size_t least, std::size_t most) {
    require(fds.size() >= least && fds.size() <= most, "a message with a wrong number of descriptors");
    put(static_cast<std::uint8_t>(fds.size()));
    for (const Fd& fd : fds) descriptor(fd);
  }
  void refuse_unless(bool good) { require(good, "a message that contradicts itself"); }

  Packet finish() { return std::move(packet_); }

 private:
  template <class T>
  void put(T value) {
    static_assert(std::is_arithmetic_v<T>);
    const std::size_t at = packet_.bytes.size();
    packet_.bytes.resize(at + sizeof value);
    std::memcpy(packet_.bytes.data() + at, &value, sizeof value);
  }
  static void require(bool good, const char* what) {
    if (good) return;
    std::fprintf(stderr, "channel: %s\n", what);
    std::abort();
  }

  Packet packet_;
};

class Reader {
 public:
  template <class T>
  using Ref = T&;

  Reader(std::span<const std::uint8_t> bytes, std::vector<Fd>& fds) : bytes_(bytes), fds_(fds) {}

  // The kind of the message; nullopt if this is no packet of ours.
  std::optional<std::uint8_t> kind() {
    const auto magic = take<std::uint8_t>();
    const auto version = take<std::uint8_t>();
    const auto kind = take<std::uint8_t>();
    if (!good_ || magic != kMagic || version != kVersion) return std::nullopt;
    return kind;
  }

  template <class T>
  void number(T& value) {
    value = take<T>();
  }
  template <class T>
  void number(T& value, T least, T most) {
    value = take<T>();
    refuse_unless(value >= least && value <= most);
  }
  void flag(bool& value) {
    const auto byte = take<std::uint8_t>();
    refuse_unless(byte <= 1);
    value = byte == 1;
  }
  template <class E>
  void choice(E& value, std::size_t choices) {
    const auto byte = take<std::uint8_t>();
    refuse_unless(byte < choices);
    if (good_) value = static_cast<E>(byte);
  }
  void text(std::string& value, std::size_t longest) {
    const std::size_t size = take<std::uint16_t>();
    refuse_unless(size <= longest && size <= bytes_.size());
    if (!good_) return;
    value.assign(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(size));
    bytes_ = bytes_.subspan(size);
    refuse_unless(std::ranges::none_of(value, is_control));
  }
  template <class T, class Item>
  void list(std::vector<T>& values, std::size_t most, Item item) {
    const std::size_t size = take<std::uint8_t>();
    refuse_unless(size <= most);
    for (std::size_t i = 0; i < size && good_; ++i) item(values.emplace_back());
  }
  template <class T, class Item>
  void maybe(std::optional<T>& value, Item item) {
    bool present = false;
    flag(present);
    if (present && good_) item(value.emplace());
  }
  void descriptor(Fd& fd) {
    refuse_unless(next_fd_ < fds_.size());
    if (good_) fd = std::move(fds_[next_fd_++]);
  }
  void descriptors(std::vector<Fd>& fds, std::size_t least, std::size_t most) {
    const std::size_t size = take<std::uint8_t>();
    refuse_unless(size >= least && size <= most);
    for (std::size_t i = 0; i < size && good_; ++i) descriptor(fds.emplace_back());
  }
  void refuse_unless(bool good) { good_ = good_ && good; }

  // Everything was used, nothing was missing.
  bool finish() const { return good_ && bytes_.empty() && next_fd_ == fds_.size(); }

 private:
  template <class T>
  T take() {
    static_assert(std::is_arithmetic_v<T>);
    T value{};
    refuse_unless(bytes_.size() >= sizeof value);
    if (!good_) return value;
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_ = bytes_.subspan(sizeof value);
    return value;
  }

  std::span<const std::uint8_t> bytes_;
  std::vector<Fd>& fds_;
  std::size_t next_fd_ = 0;
  bool good_ = true;
};

template <class A, class T>
using Ref = typename A::template Ref<T>;

template <class A>
void describe(A& a, Ref<A, Setup> m) {
  a.number(m.generation);
  a.text(m.config_name, kLongestPath);
  a.descriptor(m.config_text);
  a.descriptor(m.vitals);
}

template <class A>
void describe(A& a, Ref<A, ServiceListeners> m) {
  a.number(m.service, 0U, kMostServices - 1);
  a.number(m.address, 0U, kMostServiceAddresses - 1);
  a.descriptors(m.sockets, kListenersPerAddress, kListenersPerAddress);
}

template <class A>
void describe(A& a, Ref<A, AdminListeners> m) {
  a.descriptors(m.sockets, 0, kMostAdminListeners);
}

template <class A>
void describe(A& a, Ref<A, CheckFiles> m) {
  a.number(m.service, 0U, kMostServices - 1);
  a.refuse_unless(m.files.size() <= kCheckFileKinds);
  a.list(m.files, kCheckFileKinds, [&](Ref<A, NamedFd> named) {
    a.choice(named.kind, kCheckFileKinds);
    a.descriptor(named.file);
  });
  for (std::size_t i = 0; i < m.files.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) a.refuse_unless(m.files[i].kind != m.files[j].kind);
}

template <class A>
void describe(A& a, Ref<A, HistogramSnapshot> m) {
  a.number(m.bucket_count, std::size_t{0}, kMaxBuckets);
  for (auto& bound : m.bounds) a.number(bound);
  for (auto& count : m.counts) a.number(count);
  a.number(m.sum);
  a.refuse_unless(std::isfinite(m.sum) &&
                  std::ranges::all_of(m.bounds, [](double b) { return std::isfinite(b); }));
}

template <class A>
void describe_counts(A& a, Ref<A, VipStatus> m) {
  for (auto& count : m.transitions) a.number(count);
  a.number(m.advertisements_sent);
  a.number(m.advertisements_received);
  a.list(m.rejected, kMostNames, [&](Ref<A, NamedCount> rejected) {
    a.text(rejected.name, kLongestName);
    a.number(rejected.count);
  });
  a.number(m.restored);
  a.number(m.conflicts);
  a.number(m.garp_requests);
  a.number(m.garp_replies);
}

template <class A>
void describe(A& a, Ref<A, VipStatus> m) {
  a.number(m.virtual_router_id);
  a.number(m.priority);
  a.choice(m.state, kVipStates.size());
  a.list(m.addresses, kMostNames, [&](Ref<A, std::string> address) { a.text(address, kLongestName); });
  a.text(m.interface, kLongestName);
  a.number(m.since_unix_ms, std::int64_t{0}, kLastUnixMs);
  a.text(m.reason, kLongestText);
  a.number(m.last_transition_unix_ms, std::int64_t{0}, kLastUnixMs);
  a.text(m.peer, kLongestName);
  a.number(m.peer_heard_unix_ms, std::int64_t{0}, kLastUnixMs);
  a.flag(m.contested);
  a.text(m.warning, kLongestText);
  describe_counts(a, m);
}

template <class A>
void describe(A& a, Ref<A, GuardianStatus> m) {
  a.number(m.proxy_restarts);
  describe(a, m.loop_lag);
  a.maybe(m.vip, [&](Ref<A, VipStatus> vip) { describe(a, vip); });
}

template <class A>
void describe(A& a, Ref<A, HttpConnection> m) {
  a.descriptor(m.socket);
}

template <class A>
void describe(A& a, Ref<A, Stop> m) {
  a.text(m.reason, kLongestText);
}

template <class A>
void describe(A& a, Ref<A, Failed> m) {
  a.list(m.problems, kMostProblems, [&](Ref<A, std::string> problem) { a.text(problem, kLongestText); });
}

template <class A>
void describe(A& a, Ref<A, SessionsReset> m) {
  a.number(m.count);
}

template <class A>
void describe(A& a, Ref<A, Backends> m) {
  a.flag(m.every_service_has_living);
}

template <class A>
void describe(A& /*a*/, Ref<A, Serve> /*m*/) {}
template <class A>
void describe(A& /*a*/, Ref<A, VipReleased> /*m*/) {}
template <class A>
void describe(A& /*a*/, Ref<A, Ready> /*m*/) {}

template <class Message>
Packet encode_any(const Message& message) {
  Writer writer(message.index());
  std::visit([&](const auto& m) { describe(writer, m); }, message);
  return writer.finish();
}

template <class Message, std::size_t kKind>
std::optional<Message> decode_kind(Reader& reader) {
  std::variant_alternative_t<kKind, Message> message;
  describe(reader, message);
  if (!reader.finish()) return std::nullopt;
  return message;
}

template <class Message, std::size_t... kKinds>
std::optional<Message> decode_any(std::span<const std::uint8_t> bytes, std::vector<Fd>& fds,
                                  std::index_sequence<kKinds...> /*kinds*/) {
  if (bytes.size() > kLongestPacket) return std::nullopt;
  Reader reader(bytes, fds);
  const auto kind = reader.kind();
  std::optional<Message> result;
  if (!kind) return result;
  static_cast<void>(((*kind == kKinds && (result = decode_kind<Message, kKinds>(reader), true)) || ...));
  return result;
}

}  // namespace

Packet encode(const ToProxy& message) {
  return encode_any(message);
}

Packet encode(const ToGuardian& message) {
  return encode_any(message);
}

std::optional<ToProxy> decode_to_proxy(std::span<const std::uint8_t> bytes, std::vector<Fd> descriptors) {
  return decode_any<ToProxy>(bytes, descriptors, std::make_index_sequence<std::variant_size_v<ToProxy>>());
}

std::optional<ToGuardian> decode_to_guardian(std::span<const std::uint8_t> bytes,
                                             std::vector<Fd> descriptors) {
  return decode_any<ToGuardian>(bytes, descriptors,
                                std::make_index_sequence<std::variant_size_v<ToGuardian>>());
}

}  // namespace vipward::channel
