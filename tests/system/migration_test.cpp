// README's page "From keepalived to vipward", step by step.
#include "tests/system/migration.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// Limits of behaviour, far above what a quiet machine shows.
constexpr auto kUnnoticedGap = 1s;
constexpr auto kGapLimit = 3s;
constexpr std::size_t kMostFailures = 50;  // a second of the prober

void check_unnoticed(const TurnOutcome& one) {
  INFO(one.what);
  CHECK(one.gap < kUnnoticedGap);
  CHECK(one.failed == "none");
  CHECK(one.losses.empty());
  CHECK(one.hanging == 0);
  CHECK(one.two_holders == 0us);
}

// The address goes to the other host: sessions cannot, each ends once, all at the same time and in the same
// way. `both`: for how long both hosts may have the address.
void check_moved(const TurnOutcome& one, ClientError how = ClientError::Reset,
                 std::chrono::microseconds both = 0us) {
  INFO(one.what);
  CHECK(one.failures <= kMostFailures);
  CHECK(one.gap < kGapLimit);
  CHECK(one.losses.size() == Migration::kWatches);
  CHECK(one.most_losses == 1);
  CHECK(one.first_loss < 2s);
  CHECK(one.last_loss < 2s);
  for (const auto& loss : one.losses) CHECK(loss.how == how);
  CHECK(one.hanging == 0);
  CHECK(one.longest_pause < kGapLimit + 1s);
  CHECK(one.two_holders <= both);
}

void check_enabled(Migration& migration, const std::string& units) {
  for (const PageHost* edge : {&migration.edge_1(), &migration.edge_2()}) CHECK(edge->enabled() == units);
}

// Steps 2 and 3, after step 1: edge-2 has the address.
void become_vipwards(Migration& migration) {
  check_unnoticed(migration.follow(2, {&migration.edge_1()}).at(0));
  // keepalived says that it lets go before it does.
  check_moved(migration.follow(3, {&migration.edge_2()}).at(0), ClientError::Closed, 500ms);
  check_enabled(migration, "vipward");
}

// From edge-2 to edge-1 and back.
void check_releases(Migration& migration, const std::string& when) {
  PageHost& edge_1 = migration.edge_1();
  PageHost& edge_2 = migration.edge_2();
  const auto release = [&](PageHost& from, PageHost& to) {
    return migration.measure(when + ": " + from.host().name() + ", vipward release", to, [&from] {
      from.run("sudo vipward release");
      from.run("sudo vipward resume");
    });
  };
  check_moved(release(edge_2, edge_1));
  check_moved(release(edge_1, edge_2));
}

TEST_CASE("kubeadm's HAProxy and keepalived become two vipwards, and these go over to version 3") {
  Migration migration;
  REQUIRE(migration.count_steps() == 5);
  PageHost* edge_2 = &migration.edge_2();
  check_unnoticed(migration.follow(1, {&migration.edge_1()}).at(0));
  become_vipwards(migration);
  check_releases(migration, "version 2");

  const std::vector<TurnOutcome> turns = migration.follow(5, {edge_2, edge_2, edge_2, edge_2});
  check_unnoticed(turns.at(0));
  check_moved(turns.at(1));
  check_unnoticed(turns.at(2));
  check_unnoticed(turns.at(3));
  check_releases(migration, "version 3");
  migration.check_events();
}

TEST_CASE("one vipward, or both, become kubeadm's HAProxy and keepalived again") {
  Migration migration;
  PageHost& edge_1 = migration.edge_1();
  PageHost& edge_2 = migration.edge_2();
  check_unnoticed(migration.follow(1, {&edge_1}).at(0));
  check_unnoticed(migration.follow(2, {&edge_1}).at(0));
  check_unnoticed(migration.follow_turn(4, 2, edge_1));
  check_enabled(migration, "haproxy keepalived");

  become_vipwards(migration);
  const std::vector<TurnOutcome> turns = migration.follow(4, {&edge_2, &edge_1});
  check_unnoticed(turns.at(0));
  check_moved(turns.at(1));
  check_enabled(migration, "haproxy keepalived");
  migration.check_events();
}

}  // namespace
}  // namespace vipward::test
