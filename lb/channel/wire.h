// How messages become packets: one `describe(archive, message)` per message, found by its argument, serves
// both ways, with a Writer or a Reader as the archive. Pure. What is read may come from a hostile process:
// every number is checked, every length bounded. Used by the codecs alone.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "lb/channel/codec.h"
#include "lb/stats/counter.h"

namespace vipward::channel::wire {

// The first bytes of every packet of a protocol; the kind of the message follows, its place in the variant.
struct Prologue {
  std::uint8_t magic = 0;
  std::uint8_t version = 0;
};

inline bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

// Writer and Reader have the same words, so that one description of a message serves both.
class Writer {
 public:
  template <class T>
  using Ref = const T&;

  Writer(const Prologue& prologue, std::size_t kind) {
    put(prologue.magic);
    put(prologue.version);
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
  void bytes(const std::vector<std::byte>& value, std::size_t longest) {
    require(value.size() <= longest, "a message with too many bytes");
    put(static_cast<std::uint32_t>(value.size()));
    const auto* const data = reinterpret_cast<const std::uint8_t*>(value.data());
    packet_.bytes.insert(packet_.bytes.end(), data, data + value.size());
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
  // A field that came after others of its version, the last of its message. Left out while it is zero, so
  // that an older reader, which an upgrade may meet, understands everything that says nothing new.
  template <class T>
  void later(T value) {
    if (value != T{}) put(value);
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
  std::optional<std::uint8_t> kind(const Prologue& prologue) {
    const auto magic = take<std::uint8_t>();
    const auto version = take<std::uint8_t>();
    const auto kind = take<std::uint8_t>();
    if (!good_ || magic != prologue.magic || version != prologue.version) return std::nullopt;
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
  void bytes(std::vector<std::byte>& value, std::size_t longest) {
    const std::size_t size = take<std::uint32_t>();
    refuse_unless(size <= longest && size <= bytes_.size());
    if (!good_) return;
    const auto data = std::as_bytes(bytes_.first(size));
    value.assign(data.begin(), data.end());
    bytes_ = bytes_.subspan(size);
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
  template <class T>
  void later(T& value) {
    if (bytes_.empty()) return;
    value = take<T>();
    refuse_unless(value != T{});
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

// What more than one protocol says.
template <class A>
void describe_histogram(A& a, Ref<A, HistogramSnapshot> m) {
  a.number(m.bucket_count, std::size_t{0}, kMaxBuckets);
  for (auto& bound : m.bounds) a.number(bound);
  for (auto& count : m.counts) a.number(count);
  a.number(m.sum);
  a.refuse_unless(std::isfinite(m.sum) &&
                  std::ranges::all_of(m.bounds, [](double bound) { return std::isfinite(bound); }));
}

template <class Message>
Packet encode_any(const Prologue& prologue, const Message& message) {
  Writer writer(prologue, message.index());
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
std::optional<Message> decode_any(const Prologue& prologue, std::span<const std::uint8_t> bytes,
                                  std::vector<Fd>& fds, std::index_sequence<kKinds...> /*kinds*/) {
  if (bytes.size() > kLongestPacket) return std::nullopt;
  Reader reader(bytes, fds);
  const auto kind = reader.kind(prologue);
  std::optional<Message> result;
  if (!kind) return result;
  static_cast<void>(((*kind == kKinds && (result = decode_kind<Message, kKinds>(reader), true)) || ...));
  return result;
}

// The whole variant `Message`.
template <class Message>
std::optional<Message> decode_variant(const Prologue& prologue, std::span<const std::uint8_t> bytes,
                                      std::vector<Fd>& fds) {
  return decode_any<Message>(prologue, bytes, fds, std::make_index_sequence<std::variant_size_v<Message>>());
}

}  // namespace vipward::channel::wire
