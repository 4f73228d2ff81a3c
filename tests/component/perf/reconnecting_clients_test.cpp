// The clients of perf/run that come back at once, and the backend that they are answered by.
#include "perf/data_path/reconnecting_clients.h"

#include <doctest/doctest.h>

#include <atomic>
#include <string>

#include "perf/data_path/exchange.h"
#include "tests/support/fake_server.h"
#include "tests/support/wait.h"

namespace vipward::perf {
namespace {

constexpr std::chrono::seconds kPatience{10};

bool comes_to(const ExchangeBackend& backend, std::size_t connections) {
  return test::wait_until([&] { return backend.connections() == connections; }, kPatience);
}

TEST_CASE("all clients are served, and all again after they were reset") {
  const ExchangeBackend backend;
  {
    ReconnectingClients clients(backend.address(), 200);
    CHECK(comes_to(backend, 200));
    for (int i = 0; i < 2; ++i) {
      const auto outcome = clients.reconnect();
      CHECK(outcome.turned_away == 0);
      CHECK(outcome.time.count() > 0);
      CHECK(comes_to(backend, 200));
    }
  }
  CHECK(comes_to(backend, 0));
}

TEST_CASE("who is turned away tries again, and is counted") {
  std::atomic<int> unkind{0};
  test::FakeServer server({}, [&](test::FakeConnection& connection) {
    connection.read_some();
    if (unkind.fetch_sub(1) > 0) return connection.reset_at_end();
    if (connection.write(std::string(kAnswerBytes, 'a'))) connection.wait_for_close();
  });
  ReconnectingClients clients(server.address(), 10);
  CHECK(server.accepted() == 10);
  unkind = 3;
  CHECK(clients.reconnect().turned_away == 3);
  CHECK(server.accepted() == 23);
}

}  // namespace
}  // namespace vipward::perf
