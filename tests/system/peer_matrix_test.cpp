// vipward and keepalived or FRR as routers of one instance, in every way of speaking that both know and in
// both roles: who is active, preemption, the last word, a cut and its end, and what a neighbour believes
// meanwhile. Each row has a network of its own; several run at a time, as nearly all of it is waiting. The
// table is printed.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <thread>

#include "tests/support/http_client.h"
#include "tests/support/sniffer.h"
#include "tests/support/wait.h"
#include "tests/system/vrrp_router.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// Far more than any of it takes: a test of behaviour, not of speed.
constexpr Millis kLimit = 20s;

struct Row {
  Speech speech;
  RouterKind strong;
  RouterKind weak;
};

struct Outcome {
  std::string cells;    // for the table: ms after priority 0 / after the cut
  std::string problem;  // empty: all as it should be
  std::string logs;
};

// The strong router has priority 150, the weak one 100. Throws a text at the first thing that is not as it
// should be.
class RowRun {
 public:
  explicit RowRun(const Row& row)
      : row_(row),
        strong_router_(VrrpRouter::make(row.strong, {lb1_, {lb1_, lb2_}, row.speech, 150})),
        weak_router_(VrrpRouter::make(row.weak, {lb2_, {lb1_, lb2_}, row.speech, 100})) {}

  std::string run() {
    weak_.start();
    await("the weaker router, alone, becomes active", [&] { return is_only(weak_, strong_); });
    meet();
    believe(weak_);

    strong_.start();
    await("the stronger router preempts", [&] { return is_only(strong_, weak_); });
    believe(strong_);

    const FrameTime before = FrameClock::now();
    if (!strong_.stop()) throw std::runtime_error("the stronger router does not end");
    await("the weaker router takes over what is let go", [&] { return is_only(weak_, strong_); });
    const long released = from_release_to_claim(before);
    believe(weak_);

    strong_.start();
    await("the stronger router comes back", [&] { return is_only(strong_, weak_); });
    believe(strong_);

    const FrameTime cut = FrameClock::now();
    lb1_.isolate();
    const long missed = ms(first_claim_of_weak(cut) - cut);
    await("the weaker router takes over from one that is cut off", [&] { return weak_.holds_all(); });
    believe(weak_);
    lb1_.rejoin();
    await("the stronger router alone is active after the cut", [&] { return is_only(strong_, weak_); });
    if (!strong_.announces_after_contest() || !weak_.tells_winner()) find_out(strong_);
    believe(strong_);
    return std::to_string(released) + " / " + std::to_string(missed);
  }
  std::string logs() const {
    return "--- " + std::string(to_string(row_.strong)) + " (150):\n" + strong_.log() + "--- " +
           std::string(to_string(row_.weak)) + " (100):\n" + weak_.log();
  }

 private:
  // From the first advertisement of priority 0 to the weaker router's first one, in ms.
  long from_release_to_claim(FrameTime since) const {
    std::vector<AdvertisementFrame> last_words;
    await("the stronger router says priority 0", [&] {
      last_words = sniffer_.advertisements_of(lb1_, since);
      std::erase_if(last_words, [](const AdvertisementFrame& one) { return !one.is_release(); });
      return !last_words.empty();
    });
    const FrameTime released = last_words.front().time;
    return ms(first_claim_of_weak(released) - released);
  }
  FrameTime first_claim_of_weak(FrameTime since) const {
    std::vector<AdvertisementFrame> claims;
    await("the weaker router advertises", [&] {
      claims = sniffer_.advertisements_of(lb2_, since);
      // A last word may come late.
      std::erase_if(claims, [](const AdvertisementFrame& one) { return one.priority <= 1; });
      return !claims.empty();
    });
    return claims.front().time;
  }
  static long ms(FrameClock::duration duration) {
    return std::chrono::duration_cast<Millis>(duration).count();
  }
  static bool is_only(const VrrpRouter& one, const VrrpRouter& other) {
    return one.holds_all() && !other.holds_any();
  }
  template <class Condition>
  static void await(const char* what, Condition&& condition) {
    if (!wait_until(condition, kLimit, 5ms)) throw std::runtime_error(std::string("not so: ") + what);
  }
  // The client asks for the addresses once; from then on announcements alone tell it where they are.
  void meet() {
    for (const IpAddress& vip : row_.speech.vips()) {
      await("the client finds the address", [&] {
        connect_to(vip);
        return !client_.neighbour(vip).empty();
      });
    }
  }
  // Announcements alone do not: the client goes on asking until its kernel doubts what it believes.
  void find_out(const VrrpRouter& holder) {
    for (const IpAddress& vip : row_.speech.vips()) {
      await("the client finds out where the address is", [&] {
        connect_to(vip);
        return client_.neighbour(vip) == holder.mac_of(vip);
      });
    }
  }
  void connect_to(const IpAddress& vip) {
    client_.call([&] { HttpClient({.address = SocketAddress(vip, 6443), .limit = 200ms}).connect(); });
  }
  void believe(const VrrpRouter& holder) {
    for (const IpAddress& vip : row_.speech.vips()) {
      const std::string mac = holder.mac_of(vip);
      if (wait_until([&] { return client_.neighbour(vip) == mac; }, kLimit, 5ms)) continue;
      throw std::runtime_error("the client's neighbour cache has " + vip.to_string() + " at " +
                               client_.neighbour(vip) + ", not at " + holder.host().name() + "'s " + mac);
    }
  }

  Row row_;
  Network net_;
  Host lb1_ = net_.host("lb1", 21);
  Host lb2_ = net_.host("lb2", 22);
  Host client_ = net_.host("client", 30);
  Sniffer sniffer_{net_};
  std::unique_ptr<VrrpRouter> strong_router_;
  std::unique_ptr<VrrpRouter> weak_router_;
  VrrpRouter& strong_ = *strong_router_;
  VrrpRouter& weak_ = *weak_router_;
};

Outcome run_row(const Row& row) {
  Outcome outcome;
  try {
    RowRun run(row);
    try {
      outcome.cells = run.run();
    } catch (const std::exception& error) {
      outcome.problem = error.what();
      outcome.logs = run.logs();
    }
  } catch (const std::exception& error) {
    outcome.problem = error.what();
  }
  return outcome;
}

std::vector<Row> rows() {
  const std::vector<Speech> speeches{
      {.version = 3, .is_multicast = false, .addressing = Addressing::Ipv4},
      {.version = 3, .is_multicast = true, .addressing = Addressing::Ipv4},
      {.version = 3, .is_multicast = false, .addressing = Addressing::Ipv6},
      {.version = 3, .is_multicast = true, .addressing = Addressing::Ipv6},
      {.version = 3, .is_multicast = false, .addressing = Addressing::Dual},
      {.version = 3, .is_multicast = true, .addressing = Addressing::Dual},
      {.version = 3, .is_multicast = false, .addressing = Addressing::DualOver6},
      {.version = 3, .is_multicast = true, .addressing = Addressing::DualOver6},
      {.version = 2, .is_multicast = false},
      {.version = 2, .is_multicast = true},
      {.version = 2, .is_multicast = false, .addressing = Addressing::Dual},
      {.version = 2, .is_multicast = true, .addressing = Addressing::Dual},
      {.version = 2, .password = kV2Password, .is_multicast = false},
      {.version = 2, .password = kV2Password, .is_multicast = true},
      {.version = 2, .password = kV2Password, .is_multicast = false, .addressing = Addressing::Dual},
      {.version = 2, .password = kV2Password, .is_multicast = true, .addressing = Addressing::Dual},
  };
  std::vector<Row> all;
  const auto add_both_roles = [&](const Speech& speech, RouterKind other) {
    all.push_back({speech, RouterKind::Vipward, other});
    all.push_back({speech, other, RouterKind::Vipward});
  };
  for (const Speech& speech : speeches) add_both_roles(speech, RouterKind::Keepalived);
  // What no keepalived is needed for.
  for (const std::size_t index : {1U, 2U, 7U, 13U}) {
    all.push_back({speeches[index], RouterKind::Vipward, RouterKind::Vipward});
  }
  // FRR has no unicast, no password, and of both families two virtual routers.
  for (const std::size_t index : {1U, 3U, 9U}) add_both_roles(speeches[index], RouterKind::Frr);
  return all;
}

// One line per way of speaking, a column per pair of routers, the one with more priority first.
void print_table(const std::vector<Row>& all, const std::vector<Outcome>& outcomes) {
  constexpr std::array kPairs{
      std::pair{RouterKind::Vipward, RouterKind::Keepalived},
      std::pair{RouterKind::Keepalived, RouterKind::Vipward}, std::pair{RouterKind::Vipward, RouterKind::Frr},
      std::pair{RouterKind::Frr, RouterKind::Vipward}, std::pair{RouterKind::Vipward, RouterKind::Vipward}};
  std::printf(
      "| VRRP | vipward before keepalived | keepalived before vipward | vipward before FRR "
      "| FRR before vipward | two vipwards |\n|---|---|---|---|---|---|\n");
  std::vector<std::string> printed;
  for (const Row& row : all) {
    const std::string speech = row.speech.to_string();
    if (std::ranges::find(printed, speech) != printed.end()) continue;
    printed.push_back(speech);
    std::string line = "| " + speech + " |";
    for (const auto& [strong, weak] : kPairs) {
      std::string cell = " ";
      for (std::size_t i = 0; i < all.size(); ++i) {
        const bool is_this =
            all[i].speech.to_string() == speech && all[i].strong == strong && all[i].weak == weak;
        if (is_this) cell += (outcomes[i].problem.empty() ? outcomes[i].cells : outcomes[i].problem) + " ";
      }
      line += cell + "|";
    }
    std::printf("%s\n", line.c_str());
  }
}

TEST_CASE("vipward and other routers understand each other in every way that both can speak") {
  constexpr std::size_t kAtATime = 4;
  const std::vector<Row> all = rows();
  std::vector<Outcome> outcomes(all.size());
  std::atomic<std::size_t> next{0};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kAtATime; ++i) {
    threads.emplace_back([&] {
      for (std::size_t row = next++; row < all.size(); row = next++) outcomes[row] = run_row(all[row]);
    });
  }
  for (std::thread& thread : threads) thread.join();

  print_table(all, outcomes);
  for (std::size_t i = 0; i < all.size(); ++i) {
    CAPTURE(all[i].speech.to_string());
    CHECK_MESSAGE(outcomes[i].problem.empty(), outcomes[i].problem, "\n", outcomes[i].logs);
  }
}

}  // namespace
}  // namespace vipward::test
