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

TEST_CASE("without vipward nothing is judged") {
  const Series series{.figure = {.key = "cpu", .title = "CPU", .unit = "us", .bar = 0.95},
                      .samples = {{"nginx", {1}}}};
  CHECK_FALSE(verdict_of(series).is_judged);
  CHECK(verdict_of(series).is_met);
}

}  // namespace
}  // namespace vipward::perf
