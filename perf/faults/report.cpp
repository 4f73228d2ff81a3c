#include "perf/faults/report.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <map>
#include <thread>

namespace vipward::perf {
namespace {

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : "; ") + part;
  return text;
}

std::string first_line_of(std::vector<std::string> argv) {
  const test::CommandResult result = test::run_command(std::move(argv));
  const std::string text = result.standard_output + result.standard_error;
  return text.substr(0, text.find('\n'));
}

std::string gaps_text(const std::vector<Outcome>& rounds) {
  const Spread spread = spread_of_gaps(rounds);
  const auto number = [](std::chrono::microseconds time) {
    std::array<char, 32> text;
    std::snprintf(text.data(), text.size(), "%.1f", static_cast<double>(time.count()) / 1000);
    return std::string(text.data());
  };
  const bool is_dark = std::ranges::any_of(rounds, &Outcome::is_dark);
  return number(spread.min) + " / **" + number(spread.median) + "** / " + number(spread.max) +
         (is_dark ? " and on" : "");
}

// The worst of the rounds: the fewest resets, the latest of them.
std::string clients_text(const std::vector<Outcome>& rounds) {
  test::EstablishedClients::Tally worst = rounds.front().clients;
  for (const Outcome& round : rounds) {
    const auto& tally = round.clients;
    worst.hanging = std::max(worst.hanging, tally.hanging);
    worst.closed = std::max(worst.closed, tally.closed);
    worst.reset = std::min(worst.reset, tally.reset);
    if (tally.last_end) worst.last_end = std::max(worst.last_end.value_or(*tally.last_end), *tally.last_end);
  }
  return to_string(worst);
}

std::string transitions_text(const std::vector<Outcome>& rounds) {
  const auto [fewest, most] = std::ranges::minmax(rounds, {}, &Outcome::switchovers);
  std::string text = std::to_string(fewest.switchovers);
  if (most.switchovers != fewest.switchovers) text += "-" + std::to_string(most.switchovers);
  return text;
}

// What every round noted once, what only some did with their number; then the figures, least to most.
std::string notes_text(const std::vector<Outcome>& rounds) {
  std::map<std::string, std::size_t> notes;
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> figures;
  for (const Outcome& round : rounds) {
    if (!round.note.empty()) ++notes[round.note];
    for (const auto& [words, value] : round.figures) {
      auto known = std::ranges::find(figures, words, &decltype(figures)::value_type::first);
      if (known == figures.end()) known = figures.insert(figures.end(), {words, {}});
      known->second.push_back(value);
    }
  }
  std::vector<std::string> parts;
  for (const auto& [note, count] : notes) {
    const bool is_everywhere = count == rounds.size();
    parts.push_back(is_everywhere ? note : note + " (" + std::to_string(count) + " times)");
  }
  for (const auto& [words, values] : figures) {
    const auto [least, most] = std::ranges::minmax(values);
    const std::string range = std::to_string(least) + (most > least ? "-" + std::to_string(most) : "");
    parts.push_back(range + " " + words);
  }
  return joined(parts);
}

std::string bar_text(const Bars& bars) {
  std::string text = bars.gap ? "≤ " + std::to_string(bars.gap->count()) + " ms" : "";
  if (bars.gap_by_multicast) text += " (multicast " + std::to_string(bars.gap_by_multicast->count()) + " ms)";
  const auto add = [&](const std::string& more) { text += (text.empty() ? "" : ", ") + more; };
  if (bars.clients_are_reset) {
    add(bars.clients_within ? "reset within " + std::to_string(bars.clients_within->count()) + " ms"
                            : "reset");
  }
  if (bars.no_transition) add("no transition");
  return text.empty() ? "see notes" : text;
}

}  // namespace

std::string heading(const std::string& command_line, unsigned rounds) {
  utsname system{};
  uname(&system);
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> date;
  std::strftime(date.data(), date.size(), "%Y-%m-%d %H:%M UTC", &parts);
  return std::string("# Failover, ") + date.data() + "\n\n`" + command_line + "` at " +
         first_line_of({"git", "-C", VIPWARD_SOURCE_DIR, "describe", "--always", "--dirty"}) + ", on " +
         std::to_string(std::thread::hardware_concurrency()) + " cores, Linux " + system.release + "; " +
         first_line_of({"keepalived", "--version"}) + "; " + first_line_of({"haproxy", "-v"}) + ".\n\n" +
         "Hosts are network namespaces on one bridge. Adverts 100 ms, priorities equal, VRRPv3, " +
         std::to_string(rounds) +
         " rounds on fresh hosts each. The hosts speak by\nunicast, by multicast, or by unicast over IPv6 "
         "with an IPv6 address as VIP; what is the same\nhowever they speak is tried in the first of these "
         "ways alone, and of that are the last three columns. Gap: the longest time\nwithout an answer to a "
         "new connection (one every 2 ms, each with a limit of 20 ms, answered by a backend),\nmin / "
         "**median** / max in ms. Clients: 20 idle ones after an exchange and 5 that have sent nothing, the "
         "worst round.\nSwitchovers: changes of who advertises. keepalived: with HAProxy, which is started "
         "again after 100 ms and whose end a\ntrack_file tells.\n\n";
}

std::string table_head() {
  std::string gaps;
  std::string lines;
  for (const test::Transport transport : test::kTransports) {
    gaps += " gap, ms: " + std::string(to_string(transport)) + " |";
    lines += "---|";
  }
  return "| fault on the holder | contender |" + gaps +
         " bar | met | clients | switchovers | notes |\n|---|---|" + lines + "---|---|---|---|---|\n";
}

std::string table_row(const Row& row) {
  const bool is_judged = row.contender == test::Contender::Vipward;
  const std::vector<std::string> missed = misses(row);
  std::string text = "| " + std::string(row.fault->title) + " | " + std::string(to_string(row.contender));
  for (const test::Transport transport : test::kTransports) {
    const Series* const series = row.by(transport);
    // An empty cell: by unicast alone. A dash: no equivalent, or no measurement, whose reason stands behind.
    text += " | " + (series == nullptr ? "" : series->rounds.empty() ? "-" : gaps_text(series->rounds));
  }
  const std::string verdict = !is_judged ? "" : missed.empty() ? "yes" : "**no**: " + joined(missed);
  text += " | " + (is_judged ? bar_text(row.fault->bars) : "") + " | " + verdict + " | ";
  const Series& first = row.series.front();
  std::vector<std::string> notes;
  for (const Series& series : row.series) {
    if (!is_judged && !series.failure.empty()) notes.push_back(series.failure);
  }
  if (first.rounds.empty()) return text + "- | - | " + joined(notes) + " |\n";
  if (const std::string seen = notes_text(first.rounds); !seen.empty()) notes.insert(notes.begin(), seen);
  return text + clients_text(first.rounds) + " | " + transitions_text(first.rounds) + " | " + joined(notes) +
         " |\n";
}

}  // namespace vipward::perf
