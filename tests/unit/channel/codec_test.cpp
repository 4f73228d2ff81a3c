#include "lb/channel/codec.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/unit/channel/messages.h"

namespace vipward::channel_test {
namespace {

using namespace channel;

using Bytes = std::vector<std::uint8_t>;

std::optional<ToProxy> decode(const Bytes& bytes, std::size_t descriptors, const ToProxy& /*direction*/) {
  return decode_to_proxy(bytes, some_fds(descriptors));
}
std::optional<ToGuardian> decode(const Bytes& bytes, std::size_t descriptors,
                                 const ToGuardian& /*direction*/) {
  return decode_to_guardian(bytes, some_fds(descriptors));
}

// The same message if it has the same bytes and as many descriptors: nothing of a message is anywhere else.
template <class Message>
void check_round_trip(const Message& message) {
  const Packet packet = encode(message);
  const std::size_t count = packet.descriptors.size();
  CAPTURE(message.index());
  CHECK(packet.bytes.size() <= kLongestPacket);
  const auto back = decode(packet.bytes, count, message);
  REQUIRE(back);
  CHECK(back->index() == message.index());
  const Packet again = encode(*back);
  CHECK(again.bytes == packet.bytes);
  CHECK(again.descriptors.size() == count);
}

template <class Message>
void check_refuses_variations(const Message& message) {
  const Packet packet = encode(message);
  const std::size_t count = packet.descriptors.size();
  CAPTURE(message.index());
  for (std::size_t size = 0; size < packet.bytes.size(); ++size) {
    const Bytes cut(packet.bytes.begin(), packet.bytes.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK_FALSE(decode(cut, count, message));
  }
  Bytes longer = packet.bytes;
  longer.push_back(0);
  CHECK_FALSE(decode(longer, count, message));
  CHECK_FALSE(decode(packet.bytes, count + 1, message));
  if (count > 0) CHECK_FALSE(decode(packet.bytes, count - 1, message));
  for (const std::size_t place : {0, 1}) {  // magic and version
    Bytes other = packet.bytes;
    other[place] ^= 1;
    CHECK_FALSE(decode(other, count, message));
  }
  Bytes unknown = packet.bytes;
  unknown[2] = 200;  // the kind
  CHECK_FALSE(decode(unknown, count, message));
}

ToProxy round_trip(const ToProxy& message) {
  const Packet packet = encode(message);
  auto back = decode_to_proxy(packet.bytes, some_fds(packet.descriptors.size()));
  REQUIRE(back);
  return std::move(*back);
}

ToGuardian round_trip(const ToGuardian& message) {
  auto back = decode_to_guardian(encode(message).bytes, {});
  REQUIRE(back);
  return std::move(*back);
}

TEST_CASE("every message comes back as it was") {
  for (const auto& message : messages_to_proxy()) check_round_trip(message);
  for (const auto& message : messages_to_guardian()) check_round_trip(message);
}

TEST_CASE("every field comes back as it was") {
  const auto setup = std::get<Setup>(round_trip(Setup{7, "/etc/v.yaml", some_fd(), some_fd()}));
  CHECK(setup.generation == 7);
  CHECK(setup.config_name == "/etc/v.yaml");
  const auto listeners = std::get<ServiceListeners>(round_trip(ServiceListeners{3, 9, some_fds(8)}));
  CHECK(listeners.service == 3);
  CHECK(listeners.address == 9);
  CHECK(listeners.sockets.size() == 8);
  const auto status =
      std::get<GuardianStatus>(round_trip(GuardianStatus{2, loop_lag(), vip_status(), 1, false}));
  CHECK(status.proxy_restarts == 2);
  CHECK(status.loop_lag == loop_lag());
  CHECK(status.vip == vip_status());
  CHECK(std::get<Stop>(round_trip(Stop{"SIGINT"})).reason == "SIGINT");
  CHECK(std::get<Failed>(round_trip(Failed{{"a", "b"}})).problems == std::vector<std::string>{"a", "b"});
  CHECK(std::get<SessionsReset>(round_trip(SessionsReset{5000})).count == 5000);
  CHECK(std::get<Backends>(round_trip(Backends{true})).every_service_has_living);
  CHECK_FALSE(std::get<Backends>(round_trip(Backends{false})).every_service_has_living);
}

TEST_CASE("a field that came later is not sent while it is zero: an older reader knows the rest") {
  const Bytes older = encode(ToProxy(GuardianStatus{2, loop_lag(), vip_status(), 1, true})).bytes;
  GuardianStatus status{2, loop_lag(), vip_status(), 1, true};
  status.vip->unsolicited_nas = 13;
  const Bytes newer = encode(ToProxy(std::move(status))).bytes;
  CHECK(newer.size() == older.size() + sizeof(std::uint64_t));
  CHECK(std::ranges::equal(older, std::span(newer).first(older.size())));

  const auto nas_of = [](const Bytes& bytes) {
    const auto message = decode_to_proxy(bytes, {});
    REQUIRE(message);
    return std::get<GuardianStatus>(*message).vip.value().unsolicited_nas;
  };
  CHECK(nas_of(older) == 0);
  CHECK(nas_of(newer) == 13);
  check_round_trip(ToProxy(status_with_later_fields()));
  // In one form alone: half of it, a zero and a second one are no message.
  for (const std::size_t more : {1, 7, 8, 9}) {
    Bytes odd = older;
    odd.resize(older.size() + more);
    CHECK_FALSE(decode_to_proxy(odd, {}));
    odd = newer;
    odd.resize(newer.size() + more);
    CHECK_FALSE(decode_to_proxy(odd, {}));
  }
  Bytes without_vip = encode(ToProxy(GuardianStatus{})).bytes;
  without_vip.resize(without_vip.size() + 8, 1);
  CHECK_FALSE(decode_to_proxy(without_vip, {}));
}

TEST_CASE("descriptors come back in the order of the message") {
  CheckFiles files{1, {}};
  files.files.push_back({CheckFileKind::Key, some_fd()});
  files.files.push_back({CheckFileKind::Ca, some_fd()});
  const int key = files.files[0].file.get();
  const ToProxy message = std::move(files);
  const Packet packet = encode(message);
  REQUIRE(packet.descriptors.size() == 2);
  CHECK(packet.descriptors[0] == key);
  std::vector<Fd> received = some_fds(2);
  const int first = received[0].get();
  const auto back = decode_to_proxy(packet.bytes, std::move(received));
  REQUIRE(back);
  CHECK(std::get<CheckFiles>(*back).files[0].kind == CheckFileKind::Key);
  CHECK(std::get<CheckFiles>(*back).files[0].file.get() == first);
}

TEST_CASE("a packet that is cut, too long, of another version or with other descriptors is refused") {
  for (const auto& message : messages_to_proxy()) check_refuses_variations(message);
  for (const auto& message : messages_to_guardian()) check_refuses_variations(message);
}

TEST_CASE("descriptors of a refused packet are closed") {
  const Packet listeners = encode(ToProxy(ServiceListeners{0, 0, some_fds(8)}));
  const Packet ready = encode(ToGuardian(Ready{}));
  const std::size_t before = open_descriptors();
  CHECK_FALSE(decode_to_proxy(listeners.bytes, some_fds(7)));
  CHECK_FALSE(decode_to_proxy(listeners.bytes, some_fds(9)));
  CHECK_FALSE(decode_to_proxy({}, some_fds(253)));
  CHECK_FALSE(decode_to_guardian(ready.bytes, some_fds(1)));
  CHECK(open_descriptors() == before);
}

TEST_CASE("the last byte of a truth, a choice or an index must be one that exists") {
  Bytes backends = encode(ToGuardian(Backends{true})).bytes;
  backends.back() = 2;
  CHECK_FALSE(decode_to_guardian(backends, {}));

  Bytes listeners = encode(ToProxy(ServiceListeners{255, 4095, some_fds(8)})).bytes;
  Bytes service = listeners;
  service[4] = 1;  // 255 + 256
  CHECK_FALSE(decode_to_proxy(service, some_fds(8)));
  Bytes address = listeners;
  address[8] = 0x10;  // 4096 + 255
  CHECK_FALSE(decode_to_proxy(address, some_fds(8)));
  Bytes count = listeners;
  count.back() = 7;
  CHECK_FALSE(decode_to_proxy(count, some_fds(7)));

  CheckFiles files{0, {}};
  files.files.push_back({CheckFileKind::Token, some_fd()});
  Bytes kind = encode(ToProxy(std::move(files))).bytes;
  kind.back() = 4;
  CHECK_FALSE(decode_to_proxy(kind, some_fds(1)));
}

TEST_CASE("a service's file is not named twice") {
  CheckFiles files{0, {}};
  files.files.push_back({CheckFileKind::Ca, some_fd()});
  files.files.push_back({CheckFileKind::Key, some_fd()});
  Bytes bytes = encode(ToProxy(std::move(files))).bytes;
  bytes.back() = static_cast<std::uint8_t>(CheckFileKind::Ca);
  CHECK_FALSE(decode_to_proxy(bytes, some_fds(2)));
}

TEST_CASE("a number that no histogram has is refused") {
  GuardianStatus status;
  status.loop_lag.sum = std::numeric_limits<double>::infinity();
  Bytes bytes = encode(ToProxy(GuardianStatus{})).bytes;
  const Bytes infinity = [&] {
    const auto* first = reinterpret_cast<const std::uint8_t*>(&status.loop_lag.sum);
    return Bytes(first, first + sizeof(double));
  }();
  // Behind the sum is one byte: no VIP.
  std::ranges::copy(infinity, bytes.end() - 1 - static_cast<std::ptrdiff_t>(sizeof(double)));
  CHECK_FALSE(decode_to_proxy(bytes, {}));
}

TEST_CASE("long texts are cut at a character, control characters and the last problems go") {
  std::string text(kLongestText - 1, 'x');
  const auto failed =
      std::get<Failed>(round_trip(Failed{std::vector<std::string>(kMostProblems + 1, text + "ü\n")}));
  CHECK(failed.problems.size() == kMostProblems);
  CHECK(failed.problems[0] == text);
  CHECK(std::get<Stop>(round_trip(Stop{"a\n\x1b[2J\x7F"})).reason == "a??[2J?");
}

TEST_CASE("a text with a control character is refused: it could fake a line of the log") {
  Bytes bytes = encode(ToGuardian(Failed{{"ab"}})).bytes;
  bytes.back() = '\n';
  CHECK_FALSE(decode_to_guardian(bytes, {}));
}

TEST_CASE("times out of all range are sent as what can be shown") {
  VipStatus vip = vip_status();
  vip.since_unix_ms = -1;
  vip.peer_heard_unix_ms = std::numeric_limits<std::int64_t>::max();
  const auto back = std::get<GuardianStatus>(round_trip(GuardianStatus{0, {}, vip, 0, true})).vip.value();
  CHECK(back.since_unix_ms == 0);
  CHECK(back.peer_heard_unix_ms == 253'402'300'799'999);
}

TEST_CASE("the longest message of every kind fits into a packet") {
  const std::string longest(10'000, 'x');
  VipStatus vip = vip_status();
  vip.addresses.assign(100, longest);
  vip.rejected.assign(100, {longest, 1});
  vip.reason = vip.warning = vip.peer = vip.interface = longest;
  check_round_trip(ToProxy(GuardianStatus{0, loop_lag(), vip, 0, true}));
  check_round_trip(ToGuardian(Failed{std::vector<std::string>(100, longest)}));
  check_round_trip(ToProxy(Setup{0, longest, some_fd(), some_fd()}));
  check_round_trip(ToProxy(AdminListeners{some_fds(64)}));
}

}  // namespace
}  // namespace vipward::channel_test
