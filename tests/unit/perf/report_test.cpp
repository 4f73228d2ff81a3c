// Which bars of perf/run are met.
#include "perf/data_path/report.h"

#include <doctest/doctest.h>

namespace vipward::perf {
namespace {

TEST_CASE("the bar is of the median of the rounds' ratios to the best peer") {
  Series series{.figure = {.key = "cpu", .title = "CPU", .unit = "us", .bar = 0.95},
                .samples = {{"vipward", {9, 18, 30}}, {"haproxy", {10, 20, 30}}, {"nginx", {40, 40, 40}}}};
  const Verdict verdict = verdict_of(series);
  CHECK(verdict.best_peer == "haproxy");
  CHECK(verdict.ratio == doctest::Approx(0.9));
  CHECK(verdict.is_judged);
  CHECK(verdict.is_met);
  series.samples["vipward"] = {10, 20, 30};
  CHECK_FALSE(verdict_of(series).is_met);
}

TEST_CASE("a limit is of the median, or of every round where the figure says so") {
  Series series{.figure = {.key = "memory", .title = "memory", .unit = "KiB", .limit = 1},
                .samples = {{"vipward", {1, 0, 7}}}};
  CHECK(verdict_of(series).is_met);
  series.figure.limits_worst = true;
  CHECK_FALSE(verdict_of(series).is_met);
  series.samples["vipward"] = {1, 0, 1};
  CHECK(verdict_of(series).is_met);
  series.samples["nginx"] = {0, 0, 0};  // no ratio to that
  CHECK(passes(series));
}

TEST_CASE("a figure without a ratio is compared with nobody") {
  const Series series{
      .figure = {.key = "drops", .title = "drops", .unit = "times", .limit = 0, .has_ratio = false},
      .samples = {{"vipward", {0, 0}}, {"nginx", {0, 3}}}};
  const Verdict verdict = verdict_of(series);
  CHECK(verdict.best_peer.empty());
  CHECK(verdict.is_met);
  CHECK(table("origin", {series})
            .find("| drops, times |  |  | **0** 0-0 |  |  | **1.50** 0-3.00 |  | ≤ 0 times | yes |\n") !=
        std::string::npos);
}

TEST_CASE("beside another build of vipward there is a ratio, and nothing is judged but limits") {
  Series series{.figure = {.key = "cpu", .title = "CPU", .unit = "us", .bar = 0.95},
                .samples = {{"vipward", {10, 10}}, {"before", {8, 8}}}};
  const Verdict verdict = verdict_of(series);
  CHECK(verdict.best_peer == "before");
  CHECK(verdict.ratio == doctest::Approx(1.25));
  CHECK_FALSE(verdict.is_judged);
  const std::string text = table("origin", {series});
  CHECK(text.find("| nginx | before | ratio |") != std::string::npos);
  CHECK(text.find("**1.25** 1.25-1.25 of before | ≤ 0.95 |  |\n") != std::string::npos);
  series.figure.limit = 9;
  CHECK(verdict_of(series).is_judged);
  CHECK_FALSE(verdict_of(series).is_met);
}

TEST_CASE("the other build is what is compared with, whoever else there is") {
  const Series series{.figure = {.key = "cpu", .title = "CPU", .unit = "us", .bar = 0.95},
                      .samples = {{"vipward", {10}}, {"nginx", {5}}, {"before", {8}}}};
  CHECK(verdict_of(series).best_peer == "before");
  CHECK(passes(series));
}

TEST_CASE("where more is better the ratio is to reach the bar") {
  Series series{.figure = {.key = "rate", .title = "rate", .unit = "1/s", .bar = 1.4, .more_is_better = true},
                .samples = {{"vipward", {15, 16, 17}}, {"haproxy", {10, 10, 10}}, {"nginx", {9, 9, 9}}}};
  CHECK(verdict_of(series).best_peer == "haproxy");
  CHECK(passes(series));
  series.samples["haproxy"] = {12, 12, 12};
  CHECK_FALSE(passes(series));
}

TEST_CASE("of a latency what is added counts, in rounds in which direct is faster than both") {
  Series series{
      .figure = {.key = "p99",
                 .title = "p99",
                 .unit = "us",
                 .bar = 1.1,
                 .is_of_relay = false,
                 .is_above_direct = true},
      .samples = {{"direct", {100, 12312, 100}}, {"vipward", {220, 1395, 230}}, {"nginx", {200, 1609, 200}}}};
  const Verdict verdict = verdict_of(series);
  CHECK(verdict.rounds == 2);
  CHECK(verdict.ratio == doctest::Approx(1.25));
  CHECK_FALSE(passes(series));
  CHECK(table("origin", {series}).find(" of nginx, in 2 rounds | ≤ 1.10 | **no** |") != std::string::npos);

  SUBCASE("not judged when half of them say nothing") {
    series.samples["vipward"] = {110, 1395, 100};
    CHECK(verdict_of(series).rounds == 1);
    CHECK_FALSE(verdict_of(series).is_judged);
    CHECK_FALSE(passes(series));
  }
  SUBCASE("nor when none says anything") {
    series.samples["direct"] = {300, 12312, 300};
    CHECK(verdict_of(series).rounds == 0);
    CHECK_FALSE(passes(series));
    CHECK(table("origin", {series}).find("| no round tells of nginx | ≤ 1.10 |  |") != std::string::npos);
    CHECK(json("origin", {series}).find("best_peer") == std::string::npos);
  }
}

TEST_CASE("what has a bar or a limit and was not judged does not pass") {
  Series series{.figure = {.key = "cpu", .title = "CPU", .unit = "us", .bar = 0.95}, .samples = {}};
  SUBCASE("without vipward") {
    series.samples["nginx"] = {1};
  }
  SUBCASE("without a peer") {
    series.samples["vipward"] = {1};
  }
  SUBCASE("without anybody, for a limit") {
    series.figure.bar.reset();
    series.figure.limit = 1;
  }
  CHECK_FALSE(verdict_of(series).is_judged);
  CHECK_FALSE(passes(series));
  series.figure.bar.reset();
  series.figure.limit.reset();
  CHECK(passes(series));
}

}  // namespace
}  // namespace vipward::perf
