#include "lb/proxy/connect_plan.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>

namespace vipward {
namespace {

using namespace std::chrono_literals;
using View = ConnectPlan::View;

const TimePoint kStart = TimePoint{} + 1h;

// A plan with what it needs around it.
struct Fixture {
  ConnectPlan plan;
  std::vector<View> backends;
  RoundRobinTurns turns = RoundRobinTurns(8);
  std::unique_ptr<Picker> picker = make_round_robin(turns);
  Random random{1};

  void begin(bool fail_open = true) {
    plan.begin(kStart, {.attempt = 1500ms, .deadline = 5s, .fail_open = fail_open});
  }
  ConnectPlan::Step next(Duration after = 0s) { return plan.next(kStart + after, backends, *picker, random); }
  // The backends in the order in which they are tried, as digits; then x (exhausted) or d (deadline).
  std::string order() {
    std::string result;
    for (;;) {
      const auto step = next();
      if (std::holds_alternative<ConnectPlan::Exhausted>(step)) return result + "x";
      if (std::holds_alternative<ConnectPlan::DeadlinePassed>(step)) return result + "d";
      result += static_cast<char>('0' + std::get<ConnectPlan::Attempt>(step).backend);
    }
  }
};

TEST_CASE("each backend is tried once") {
  Fixture f;
  f.backends.assign(5, {.state = BackendState::Ready});
  f.begin();
  CHECK(f.order() == "01234x");
  CHECK(f.order() == "x");
}

TEST_CASE("the rounds: ready, then unknown and not ready together, then dead; drained never") {
  Fixture f;
  f.backends = {{.state = BackendState::Dead},     {.state = BackendState::NotReady},
                {.state = BackendState::Drained},  {.state = BackendState::Ready},
                {.state = BackendState::Unknown},  {.state = BackendState::Dead},
                {.state = BackendState::NotReady}, {.state = BackendState::Ready}};
  f.begin();
  const std::string order = f.order();
  REQUIRE(order.size() == 8);
  const auto round = [&](std::size_t from, std::size_t n) {
    return std::set<char>(order.begin() + static_cast<std::ptrdiff_t>(from),
                          order.begin() + static_cast<std::ptrdiff_t>(from + n));
  };
  CHECK(round(0, 2) == std::set{'3', '7'});
  CHECK(round(2, 3) == std::set{'1', '4', '6'});
  CHECK(round(5, 2) == std::set{'0', '5'});
  CHECK(order.back() == 'x');
}

TEST_CASE("with refuse only ready backends are tried") {
  Fixture f;
  f.backends = {{.state = BackendState::Dead},
                {.state = BackendState::NotReady},
                {.state = BackendState::Unknown},
                {.state = BackendState::Drained}};
  f.begin(false);
  CHECK(f.order() == "x");
  f.backends.push_back({.state = BackendState::Ready});
  CHECK(f.order() == "4x");
}

TEST_CASE("no backend, or none that may be tried: exhausted at once") {
  Fixture f;
  f.begin();
  CHECK(f.order() == "x");
  f.backends.assign(3, {.state = BackendState::Drained});
  CHECK(f.order() == "x");
}

TEST_CASE("states are those of the moment: a backend that became ready meanwhile is next") {
  Fixture f;
  f.backends = {
      {.state = BackendState::Ready}, {.state = BackendState::Unknown}, {.state = BackendState::Dead}};
  f.begin();
  CHECK(std::get<ConnectPlan::Attempt>(f.next()).backend == 0);
  f.backends[2].state = BackendState::Ready;
  CHECK(std::get<ConnectPlan::Attempt>(f.next()).backend == 2);
  // One that was drained meanwhile is not tried any more.
  f.backends[1].state = BackendState::Drained;
  CHECK(f.order() == "x");
}

TEST_CASE("an attempt has connect.timeout, but never beyond connect.deadline") {
  Fixture f;
  f.backends.assign(4, {.state = BackendState::Ready});
  f.begin();
  CHECK(std::get<ConnectPlan::Attempt>(f.next(0s)).give_up_at == kStart + 1500ms);
  CHECK(std::get<ConnectPlan::Attempt>(f.next(3s)).give_up_at == kStart + 4500ms);
  CHECK(std::get<ConnectPlan::Attempt>(f.next(4s)).give_up_at == kStart + 5s);
  CHECK(std::get<ConnectPlan::Attempt>(f.next(5s - 1ns)).give_up_at == kStart + 5s);
  CHECK(f.plan.deadline() == kStart + 5s);
}

TEST_CASE("once the deadline has passed nothing is tried, whatever is left") {
  Fixture f;
  f.backends.assign(2, {.state = BackendState::Ready});
  f.begin();
  CHECK(std::holds_alternative<ConnectPlan::DeadlinePassed>(f.next(5s)));
  CHECK(std::holds_alternative<ConnectPlan::DeadlinePassed>(f.next(1h)));
}

TEST_CASE("an attempt that was taken back may be made again") {
  Fixture f;
  f.backends.assign(2, {.state = BackendState::Ready});
  f.begin();
  const auto first = std::get<ConnectPlan::Attempt>(f.next()).backend;
  f.plan.take_back(first);
  std::string order = f.order();
  std::sort(order.begin(), order.end());
  CHECK(order == "01x");
}

TEST_CASE("beginning again forgets what was tried") {
  Fixture f;
  f.backends.assign(2, {.state = BackendState::Ready});
  f.begin();
  CHECK(f.order() == "01x");
  f.begin();
  CHECK(f.order().size() == 3);
}

TEST_CASE("connections and weights reach the picker") {
  Fixture f;
  f.picker = make_least_connections();
  f.backends = {{.state = BackendState::Ready, .connections = 4},
                {.state = BackendState::Ready, .connections = 1},
                {.state = BackendState::Ready, .weight = 9, .connections = 8}};
  f.begin();
  CHECK(f.order() == "210x");
}

TEST_CASE("a plan that goes on elsewhere tries nobody twice, and has the deadline of its beginning") {
  Fixture f;
  f.backends = {View{.state = BackendState::Ready}, View{.state = BackendState::Ready},
                View{.state = BackendState::Ready}};
  f.plan.resume(kStart + 3s, {.attempt = 1500ms, .deadline = 5s, .fail_open = true}, {2, 0});
  CHECK(f.plan.attempts() == 2);
  CHECK(f.plan.tried() == std::vector<std::size_t>{2, 0});
  CHECK(f.plan.deadline() == kStart + 3s);
  const auto step = f.next(2s);
  REQUIRE(std::holds_alternative<ConnectPlan::Attempt>(step));
  CHECK(std::get<ConnectPlan::Attempt>(step).backend == 1);
  CHECK(std::get<ConnectPlan::Attempt>(step).give_up_at == kStart + 3s);
  CHECK(std::holds_alternative<ConnectPlan::Exhausted>(f.next(2s)));
  CHECK(std::holds_alternative<ConnectPlan::DeadlinePassed>(f.next(3s)));
}

}  // namespace
}  // namespace vipward
