#include "lb/balance/picker.h"

#include <doctest/doctest.h>

#include <array>
#include <map>
#include <string>

namespace vipward {
namespace {

// Picks n times as letters: backend 0 is a, 1 is b.
std::string sequence(Picker& picker, const std::vector<Candidate>& candidates, int n) {
  Random random(1);
  std::string letters;
  for (int i = 0; i < n; ++i) letters += static_cast<char>('a' + picker.pick(candidates, random));
  return letters;
}

// Round robin that begins.
std::string beginning(const std::vector<Candidate>& candidates, int n) {
  RoundRobinTurns turns(candidates.size());
  return sequence(*make_round_robin(turns), candidates, n);
}

TEST_CASE("round robin takes equal backends in turn") {
  CHECK(beginning({{.backend = 0}, {.backend = 1}, {.backend = 2}}, 9) == "abcabcabc");
}

TEST_CASE("round robin spreads weights evenly over the turn") {
  CHECK(beginning({{.backend = 0, .weight = 5}, {.backend = 1, .weight = 1}, {.backend = 2, .weight = 1}},
                  14) == "aabacaaaabacaa");
  CHECK(beginning({{.backend = 0, .weight = 2}, {.backend = 1, .weight = 1}}, 6) == "abaaba");
  CHECK(beginning({{.backend = 0, .weight = 1}, {.backend = 1, .weight = 3}}, 8) == "babbbabb");
}

TEST_CASE("round robin ignores connections and works with the largest weights") {
  CHECK(beginning({{.backend = 0, .connections = 99}, {.backend = 1}}, 4) == "abab");
  std::map<char, int> counts;
  for (const char letter : beginning({{.backend = 0, .weight = 1000}, {.backend = 1, .weight = 1}}, 1001)) {
    ++counts[letter];
  }
  CHECK(counts['a'] == 1000);
  CHECK(counts['b'] == 1);
}

TEST_CASE("round robin goes on evenly when a backend leaves and comes back") {
  RoundRobinTurns turns(3);
  const auto picker = make_round_robin(turns);
  const std::vector<Candidate> all{{.backend = 0}, {.backend = 1}, {.backend = 2}};
  const std::vector<Candidate> without_b{{.backend = 0}, {.backend = 2}};
  CHECK(sequence(*picker, all, 3) == "abc");
  CHECK(sequence(*picker, without_b, 4) == "acac");
  CHECK(sequence(*picker, all, 6) == "abcabc");
}

TEST_CASE("round robin goes on where another worker's picker has left off") {
  RoundRobinTurns turns(3);
  const std::array pickers{make_round_robin(turns), make_round_robin(turns)};
  const std::vector<Candidate> candidates{{.backend = 0, .weight = 2}, {.backend = 1}, {.backend = 2}};
  std::string letters;
  for (const std::size_t worker : {0u, 1u, 1u, 0u, 1u, 1u, 1u, 0u})
    letters += sequence(*pickers[worker], candidates, 1);
  CHECK(letters == "abcaabca");
}

TEST_CASE("least connections takes the fewest per weight") {
  struct Row {
    std::vector<Candidate> candidates;
    std::size_t expected;
  };
  const std::vector<Row> rows{
      {{{.backend = 7, .connections = 50}}, 7},
      {{{.backend = 0, .connections = 3}, {.backend = 1, .connections = 2}}, 1},
      {{{.backend = 0, .connections = 0}, {.backend = 1, .weight = 2, .connections = 0}}, 1},
      {{{.backend = 0, .connections = 1}, {.backend = 1, .weight = 2, .connections = 2}}, 1},
      {{{.backend = 0, .connections = 1}, {.backend = 1, .weight = 2, .connections = 4}}, 0},
      // Products beyond 32 bits.
      {{{.backend = 0, .weight = 1000, .connections = 4'000'000'000},
        {.backend = 1, .weight = 999, .connections = 4'000'000'000}},
       0},
      {{{.backend = 0, .connections = 4'294'967'295}, {.backend = 1, .connections = 4'294'967'294}}, 1},
  };
  Random random(1);
  const auto picker = make_least_connections();
  for (const Row& row : rows) {
    CAPTURE(row.expected);
    for (int i = 0; i < 5; ++i) CHECK(picker->pick(row.candidates, random) == row.expected);
  }
}

TEST_CASE("least connections breaks ties evenly at random") {
  Random random(42);
  const auto picker = make_least_connections();
  const std::vector<Candidate> candidates{{.backend = 0, .connections = 5},
                                          {.backend = 1, .connections = 9},
                                          {.backend = 2, .connections = 5},
                                          {.backend = 3, .weight = 2, .connections = 11}};
  std::array<int, 4> picked{};
  constexpr int kPicks = 30000;
  for (int i = 0; i < kPicks; ++i) ++picked[picker->pick(candidates, random)];
  CHECK(picked[1] == 0);
  for (const std::size_t tied : {0u, 2u, 3u}) {
    CHECK(picked[tied] > kPicks / 3 - kPicks / 30);
    CHECK(picked[tied] < kPicks / 3 + kPicks / 30);
  }
}

TEST_CASE("sessions that stay end up in the proportion of the weights") {
  Random random(3);
  const auto picker = make_least_connections();
  std::vector<Candidate> candidates{
      {.backend = 0, .weight = 3}, {.backend = 1, .weight = 1}, {.backend = 2, .weight = 2}};
  CHECK(picker->pick(candidates, random) == 0);
  for (int i = 0; i < 600; ++i) ++candidates[picker->pick(candidates, random)].connections;
  CHECK(candidates[0].connections == 300);
  CHECK(candidates[1].connections == 100);
  CHECK(candidates[2].connections == 200);
}

}  // namespace
}  // namespace vipward
