// The access log: one line per session, keys that stay.
#include <doctest/doctest.h>

#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/component/proxy/session_pair.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// What stands before the first key=value, and the pairs in their order. No value of these tests has a space.
std::pair<std::string, std::vector<std::pair<std::string, std::string>>> split(const std::string& line) {
  std::pair<std::string, std::vector<std::pair<std::string, std::string>>> result;
  result.first = line.substr(0, line.rfind(' ', line.find('=')));
  std::istringstream rest(line.substr(result.first.size()));
  for (std::string word; rest >> word;) {
    const auto equals = word.find('=');
    result.second.emplace_back(word.substr(0, equals), word.substr(equals + 1));
  }
  return result;
}

TEST_CASE("a session's line says who, by which port of ours, where, how long, how much and why") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  std::string client_address;
  std::string own_address;
  {
    auto [client, served] = open_session(proxy, backend);
    client_address = client.local().to_string();
    own_address = served.remote().to_string();
    CHECK(client.send("four"));
    CHECK(served.receive(4) == "four");
    CHECK(served.send("seven.."));
    CHECK(client.receive(7) == "seven..");
    client.finish();
    served.finish();
    CHECK(proxy.wait_empty());
  }
  REQUIRE(proxy.wait_logged("session ended"));
  const std::string line = proxy.logged("session ended").at(0);
  CAPTURE(line);
  const auto [head, fields] = split(line);
  CHECK(head.ends_with("Z info  session ended"));
  std::string keys;
  for (const auto& [key, value] : fields) keys += key + " ";
  CHECK(
      keys ==
      "service client own backend duration_seconds connect_seconds bytes_to_backend bytes_to_client attempts "
      "reason ");
  const auto value = [&fields = fields](std::size_t i) { return fields.at(i).second; };
  CHECK(value(0) == "api");
  CHECK(value(1) == client_address);
  CHECK(value(2) == own_address);
  CHECK(value(3) == "backend-0");
  CHECK(std::stod(value(4)) > 0);
  CHECK(std::stod(value(5)) > 0);
  CHECK(std::stod(value(5)) < std::stod(value(4)));
  CHECK(value(6) == "5");
  CHECK(value(7) == "7");
  CHECK(value(8) == "1");
  CHECK((value(9) == "client_closed" || value(9) == "backend_closed"));
}

TEST_CASE("a session that never got a backend has dashes where it would stand") {
  ServiceConfig service = service_with({*SocketAddress::parse("127.0.0.1:1")});
  service.first_data_timeout = 50ms;
  ProxyUnderTest proxy(service);
  CHECK(proxy.connect().wait_end() == End::Reset);
  REQUIRE(proxy.wait_logged("session ended"));
  const std::string line = proxy.logged("session ended").at(0);
  CHECK(line.find(" own=- backend=- duration_seconds=") != std::string::npos);
  CHECK(line.ends_with(
      "connect_seconds=0 bytes_to_backend=0 bytes_to_client=0 attempts=0 reason=first_data_timeout"));
}

TEST_CASE("with access_log off no session is logged; the counters count") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  service.access_log = false;
  ProxyUnderTest proxy(service);
  open_session(proxy, backend);
  CHECK(proxy.wait_empty());
  CHECK(proxy.closed() == 1);
  // A line that comes later shows that none is still on its way.
  proxy.set_state(0, BackendState::Drained);
  CHECK(proxy.connect().wait_end() == End::Reset);
  REQUIRE(proxy.wait_logged("client refused"));
  CHECK(proxy.count_logged("session ended") == 0);
}

TEST_CASE("at level info sessions are logged, probes, refusals and failed attempts are not") {
  const RefusingAddress refusing;
  Backend backend;
  ServiceConfig service = service_with({refusing.address(), backend.address()});
  service.balance = BalanceAlgorithm::RoundRobin;
  ProxyUnderTest proxy(service, {.level = LogLevel::Info});
  proxy.connect().close();
  CHECK(proxy.wait_closed(EndReason::ClientLeft));
  open_session(proxy, backend);
  REQUIRE(proxy.wait_logged("session ended"));
  CHECK(proxy.backend(0).connect_failures == 1);
  CHECK(proxy.count_logged("") == 1);
}

}  // namespace
}  // namespace vipward::test
