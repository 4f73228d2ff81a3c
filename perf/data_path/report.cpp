#include "perf/data_path/report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "perf/figures.h"
#include "perf/provenance.h"

namespace vipward::perf {
namespace {

constexpr const char* kVipward = "vipward";

// As many digits as say something.
std::string short_number(double value) {
  return number(value, value == 0 ? 0 : value < 10 ? 2 : value < 100 ? 1 : 0);
}

bool counts(const Figure& figure, const std::string& contender) {
  return figure.is_of_relay ? contender != kDirect : true;
}

std::string cell(const Series& series, const std::string& contender) {
  const auto found = series.samples.find(contender);
  if (found == series.samples.end() || !counts(series.figure, contender)) return "";
  const Spread spread = spread_of(found->second);
  return "**" + short_number(spread.median) + "** " + short_number(spread.least) + "-" +
         short_number(spread.most);
}

std::vector<std::string> columns_of(const std::vector<Series>& all) {
  std::vector<std::string> columns = kAll;
  const auto has_before = [](const Series& series) { return series.samples.contains(kBefore); };
  if (std::ranges::any_of(all, has_before)) columns.emplace_back(kBefore);
  return columns;
}

std::string best_peer_of(const Series& series) {
  if (series.samples.contains(kBefore)) return kBefore;
  std::string best;
  double best_median = 0;
  for (const std::string& peer : kPeers) {
    const auto found = series.samples.find(peer);
    if (found == series.samples.end()) continue;
    const double median = spread_of(found->second).median;
    const bool is_better = series.figure.more_is_better ? median > best_median : median < best_median;
    if (!best.empty() && !is_better) continue;
    best = peer;
    best_median = median;
  }
  return best;
}

// Of each round that tells of both, vipward's to the peer's.
std::vector<double> ratios_of(const Series& series, const std::string& peer) {
  const auto& ours = series.samples.at(kVipward);
  const auto& theirs = series.samples.at(peer);
  const auto direct = series.samples.find(kDirect);
  const bool is_above = series.figure.is_above_direct && direct != series.samples.end();
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) {
    const double base = is_above ? direct->second.at(i) : 0;
    if (ours[i] > base && theirs[i] > base) ratios.push_back((ours[i] - base) / (theirs[i] - base));
  }
  return ratios;
}

std::string bar_text(const Figure& figure) {
  if (figure.limit) return "≤ " + short_number(*figure.limit) + " " + figure.unit;
  if (!figure.bar) return "";
  return std::string(figure.more_is_better ? "≥ " : "≤ ") + number(*figure.bar, 2);
}

std::string ratio_text(const Verdict& verdict, const Series& series) {
  if (verdict.best_peer.empty()) return "";
  if (verdict.rounds == 0) return "no round tells of " + verdict.best_peer;
  std::string text = "**" + number(verdict.ratio, 2) + "** " + number(verdict.interval.from, 2) + "-" +
                     number(verdict.interval.to, 2) + " of " + verdict.best_peer;
  if (verdict.rounds < series.samples.at(kVipward).size())
    text += ", in " + std::to_string(verdict.rounds) + " rounds";
  return text;
}

}  // namespace

Verdict verdict_of(const Series& series) {
  Verdict verdict;
  const Figure& figure = series.figure;
  if (!series.samples.contains(kVipward)) return verdict;
  if (figure.has_ratio) verdict.best_peer = best_peer_of(series);
  const std::vector<double> ratios =
      verdict.best_peer.empty() ? std::vector<double>() : ratios_of(series, verdict.best_peer);
  if (!ratios.empty()) {
    verdict.rounds = ratios.size();
    verdict.ratio = spread_of(ratios).median;
    verdict.interval = median_interval(ratios);
  }
  if (figure.limit) {
    verdict.is_judged = true;
    const Spread spread = spread_of(series.samples.at(kVipward));
    verdict.is_met = (figure.limits_worst ? spread.most : spread.median) <= *figure.limit;
  } else if (figure.bar && verdict.best_peer != kBefore &&
             2 * verdict.rounds > series.samples.at(kVipward).size()) {
    verdict.is_judged = true;
    verdict.is_met = figure.more_is_better ? verdict.ratio >= *figure.bar : verdict.ratio <= *figure.bar;
  }
  return verdict;
}

bool passes(const Series& series) {
  const Verdict verdict = verdict_of(series);
  if (verdict.is_judged) return verdict.is_met;
  return (!series.figure.bar && !series.figure.limit) || verdict.best_peer == kBefore;
}

std::string table(const std::string& origin, const std::vector<Series>& all) {
  std::string text =
      "# The data path, " + utc_now("%Y-%m-%d %H:%M UTC") + "\n\n" + origin + "\n\n" +
      "**Median** and least to most of the rounds, in which the contenders take turns; one worker or thread "
      "each where nothing else is\nsaid. Ratio: of vipward to the best peer, round by round, **median** and "
      "the "
      "interval that holds it with 95 %; of a latency, what\ncomes on top of the direct one.\n\n";
  std::string line = "| |";
  std::string rule = "|---|";
  const std::vector<std::string> columns = columns_of(all);
  for (const std::string& contender : columns) {
    line += " " + contender + " |";
    rule += "---|";
  }
  text += line + " ratio | bar | met |\n" + rule + "---|---|---|\n";
  for (const Series& series : all) {
    const Verdict verdict = verdict_of(series);
    text += "| " + series.figure.title + ", " + series.figure.unit + " |";
    for (const std::string& contender : columns) text += " " + cell(series, contender) + " |";
    text += " " + ratio_text(verdict, series) + " | " + bar_text(series.figure) + " | " +
            (!verdict.is_judged ? ""
             : verdict.is_met   ? "yes"
                                : "**no**") +
            " |\n";
  }
  return text;
}

std::string json(const std::string& origin, const std::vector<Series>& all) {
  nlohmann::json figures = nlohmann::json::array();
  for (const Series& series : all) {
    const Verdict verdict = verdict_of(series);
    nlohmann::json one{{"key", series.figure.key},
                       {"title", series.figure.title},
                       {"unit", series.figure.unit},
                       {"more_is_better", series.figure.more_is_better},
                       {"samples", nlohmann::json::object()}};
    for (const auto& [contender, samples] : series.samples) {
      if (counts(series.figure, contender)) one["samples"][contender] = samples;
    }
    if (verdict.rounds > 0) {
      one["best_peer"] = verdict.best_peer;
      one["ratio"] = {
          {"median", verdict.ratio}, {"from", verdict.interval.from}, {"to", verdict.interval.to}};
    }
    if (verdict.is_judged) one["met"] = verdict.is_met;
    figures.push_back(std::move(one));
  }
  const nlohmann::json whole{
      {"provenance", origin}, {"date", utc_now("%Y-%m-%dT%H:%M:%SZ")}, {"figures", std::move(figures)}};
  return whole.dump(1) + "\n";
}

std::string chart(const Series& series) {
  constexpr double kLeft = 120;
  constexpr double kWidth = 440;
  constexpr double kTop = 44;
  constexpr double kStep = 28;
  double most = 0;
  std::vector<std::string> shown;
  for (const std::string& contender : columns_of({series})) {
    const auto found = series.samples.find(contender);
    if (found == series.samples.end() || !counts(series.figure, contender)) continue;
    shown.push_back(contender);
    most = std::max(most, spread_of(found->second).most);
  }
  const auto x_of = [&](double value) {
    return kLeft + kWidth * (most > 0 ? std::max(value, 0.0) / most : 0);
  };
  const double height = kTop + kStep * static_cast<double>(shown.size()) + 10;
  std::string text = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"680\" height=\"" + number(height, 0) +
                     "\" font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" "
                     "fill=\"white\"/>\n<text x=\"12\" y=\"24\" font-size=\"15\">" +
                     series.figure.title + ", " + series.figure.unit +
                     (series.figure.more_is_better ? " (more is better)" : " (less is better)") + "</text>\n";
  double y = kTop;
  for (const std::string& contender : shown) {
    const Spread spread = spread_of(series.samples.at(contender));
    const std::string middle = number(y + 9);
    text += "<text x=\"" + number(kLeft - 8) + "\" y=\"" + number(y + 14) + "\" text-anchor=\"end\">" +
            contender + "</text>\n<rect x=\"" + number(kLeft) + "\" y=\"" + number(y) + "\" width=\"" +
            number(x_of(spread.median) - kLeft) + "\" height=\"18\" fill=\"" +
            (contender == kVipward ? "#1f6fb2" : "#b8c4ce") + "\"/>\n<line x1=\"" +
            number(x_of(spread.least)) + "\" x2=\"" + number(x_of(spread.most)) + "\" y1=\"" + middle +
            "\" y2=\"" + middle + "\" stroke=\"black\"/>\n<text x=\"" + number(x_of(spread.most) + 8) +
            "\" y=\"" + number(y + 14) + "\">" + short_number(spread.median) + "</text>\n";
    y += kStep;
  }
  return text + "</svg>\n";
}

}  // namespace vipward::perf
