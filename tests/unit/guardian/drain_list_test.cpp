#include "lb/guardian/drain_list.h"

#include <doctest/doctest.h>

namespace vipward {
namespace {

using namespace std::chrono_literals;
using Entries = std::vector<DrainEntry>;
using Names = std::vector<std::string>;

// 2026-11-25T09:12:16.250Z
constexpr std::int64_t kNowMs = 1'795'597'936'250;
constexpr DrainList::WallTime kNow{std::chrono::milliseconds(kNowMs)};

// master-3 is 10.0.0.3:6443, and so for each name: by its last character.
ServiceConfig service(const std::string& name, const Names& backends) {
  ServiceConfig service;
  service.name = name;
  for (const std::string& backend : backends) {
    const std::string address = "10.0.0." + std::to_string(backend.back() - '0') + ":6443";
    service.backends.push_back({.name = backend, .address = *SocketAddress::parse(address), .weight = 1});
  }
  return service;
}

// Two services share master-1 and master-2.
Config two_services() {
  Config config;
  config.services = {service("api", {"master-1", "master-2", "master-3"}),
                     service("join", {"master-1", "master-2"})};
  return config;
}

Config one_service(const Names& backends) {
  Config config;
  config.services = {service("api", backends)};
  return config;
}

Config with_peers(Config config) {
  config.vip.emplace().peers = {*IpAddress::parse("10.0.0.21"), *IpAddress::parse("10.0.0.22")};
  return config;
}

struct Operator {
  Config config;
  DrainList list;

  explicit Operator(Config configured) : config(std::move(configured)) {}
  DrainList::Outcome drain(const std::string& name, std::optional<std::chrono::milliseconds> limit = {},
                           DrainList::WallTime now = kNow) {
    return list.drain(config, name, limit, now);
  }
  DrainList::Outcome undrain(const std::string& name) { return list.undrain(config, name); }
};

void check_problem(const DrainList::Outcome& outcome, const std::string& text) {
  CHECK(outcome.is_problem);
  CHECK(outcome.changed.empty());
  CHECK(outcome.text == text);
}

TEST_CASE("a backend is drained in one service, with a deadline or without") {
  Operator host(two_services());
  const auto without = host.drain("api/master-1");
  CHECK_FALSE(without.is_problem);
  CHECK(without.text ==
        "api/master-1 is drained, its sessions are kept until they end\n"
        "vipward status shows how many sessions are left");
  CHECK(without.changed == Entries{{"api", "master-1", kNowMs, 0}});
  const auto with = host.drain("join/master-2", 90s);
  CHECK(
      with.text ==
      "join/master-2 is drained, its sessions are closed from 2026-11-25T09:13:46Z on, while another backend "
      "is ready\nvipward status shows how many sessions are left");
  CHECK(host.list.entries() ==
        Entries{{"api", "master-1", kNowMs, 0}, {"join", "master-2", kNowMs, kNowMs + 90'000}});
}

TEST_CASE("without a service a backend is drained in all that have it") {
  Operator host(two_services());
  CHECK(host.drain("master-1").text ==
        "api/master-1 is drained, its sessions are kept until they end\n"
        "join/master-1 is drained, its sessions are kept until they end\n"
        "vipward status shows how many sessions are left");
  CHECK(host.drain("master-3").changed == Entries{{"api", "master-3", kNowMs, 0}});
}

TEST_CASE("an address is the name of a backend that has no other") {
  Operator host(one_service({"10.0.0.10:6443", "[fd00::1]:6443"}));
  CHECK(host.drain("[fd00::1]:6443").changed.size() == 1);
  CHECK(host.undrain("api/[fd00::1]:6443").changed.size() == 1);
}

TEST_CASE("with a peer the answer says to do the same on the other host") {
  Operator host(with_peers(two_services()));
  CHECK(host.drain("api/master-1").text ==
        "api/master-1 is drained, its sessions are kept until they end\n"
        "vipward status shows how many sessions are left\n"
        "do the same on the other host: each host has its own list");
  CHECK(host.undrain("api/master-1").text ==
        "api/master-1 gets new sessions again\n"
        "do the same on the other host: each host has its own list");
}

TEST_CASE("one that is drained already gets the new deadline, and stays drained since before") {
  Operator host(two_services());
  host.drain("api/master-1");
  CHECK(host.drain("api/master-1", 90s, kNow + 1h).text ==
        "api/master-1 was drained already, now its sessions are closed from 2026-11-25T10:13:46Z on, while "
        "another backend is ready\nvipward status shows how many sessions are left");
  CHECK(host.list.entries() == Entries{{"api", "master-1", kNowMs, kNowMs + 3'690'000}});
  CHECK(host.drain("api/master-1").text ==
        "api/master-1 was drained already, now its sessions are kept until they end\n"
        "vipward status shows how many sessions are left");
  CHECK(host.list.entries() == Entries{{"api", "master-1", kNowMs, 0}});
}

TEST_CASE("the last backend of a service that is not drained cannot be drained") {
  Operator host(two_services());
  host.drain("join/master-2");
  const std::string refusal =
      "join: master-1 is the only one that is not drained, new clients would be refused; undrain another one "
      "first";
  check_problem(host.drain("join/master-1"), refusal);
  // Nor in the other service, where it could be.
  check_problem(host.drain("master-1"), refusal);
  CHECK(host.list.entries().size() == 1);
  CHECK_FALSE(host.drain("api/master-1").is_problem);

  Operator alone(one_service({"master-1"}));
  check_problem(alone.drain("master-1"), "api: master-1 is the only backend, new clients would be refused");
}

TEST_CASE("a deadline can be set for what is drained although nothing else is left") {
  Operator host(one_service({"master-1", "master-2"}));
  host.drain("master-1");
  host.config = one_service({"master-1"});
  CHECK_FALSE(host.drain("master-1", 1h).is_problem);
}

TEST_CASE("an unknown name is answered with what there is, what was probably meant first") {
  Operator host(two_services());
  check_problem(host.drain("mastr-2"),
                "there is no backend \"mastr-2\", there are: api/master-2, join/master-2, api/master-1, "
                "api/master-3, join/master-1");
  check_problem(
      host.undrain("jion/master-1"),
      "there is no backend \"jion/master-1\", there are: join/master-1, join/master-2, api/master-1, "
      "api/master-2, api/master-3");
  for (const char* name : {"/master-1", "api/", "/", "", "api/master-1/", "api", "api master-1"}) {
    CAPTURE(name);
    CHECK(host.drain(name).is_problem);
    CHECK(host.undrain(name).is_problem);
  }
  Operator many(one_service(Names(23, "m")));
  check_problem(
      many.drain("x"),
      "there is no backend \"x\", there are: api/m, api/m, api/m, api/m, api/m, api/m, api/m, api/m, "
      "api/m, api/m, api/m, api/m, api/m, api/m, api/m, api/m, api/m, api/m, api/m, api/m and 3 more");
}

TEST_CASE("undrain: in one service, in all, and of one that is not drained") {
  Operator host(two_services());
  host.drain("master-1");
  CHECK(host.undrain("join/master-1").text == "join/master-1 gets new sessions again");
  CHECK(host.list.entries() == Entries{{"api", "master-1", kNowMs, 0}});
  const auto nothing = host.undrain("join/master-1");
  CHECK_FALSE(nothing.is_problem);
  CHECK(nothing.changed.empty());
  CHECK(nothing.text == "join/master-1 is not drained");
  host.drain("join/master-1");
  CHECK(host.undrain("master-1").text ==
        "api/master-1 gets new sessions again\njoin/master-1 gets new sessions again");
  CHECK(host.list.entries().empty());
  CHECK(host.undrain("master-1").text == "master-1 is not drained");
}

TEST_CASE("a name that the configuration does not have waits, and can be undrained") {
  Operator host(two_services());
  host.drain("api/master-3", 90s);
  host.config = one_service({"master-1", "master-2"});
  CHECK(host.list.unknown_in(host.config) == Entries{{"api", "master-3", kNowMs, kNowMs + 90'000}});
  CHECK(host.list.message(host.config).backends.empty());
  CHECK(host.list.unknown_in(two_services()).empty());
  CHECK(host.undrain("master-3").text ==
        "api/master-3 is no longer drained; the configuration does not have it");
}

TEST_CASE("a proxy is told positions, in the order of its configuration") {
  Operator host(two_services());
  host.drain("join/master-2", 90s);
  host.drain("api/master-1");
  using Told = std::vector<channel::DrainedBackend>;
  CHECK(host.list.message(host.config).backends == Told{{0, 0, kNowMs, 0}, {1, 1, kNowMs, kNowMs + 90'000}});
  Config next = two_services();
  std::swap(next.services[0], next.services[1]);
  CHECK(host.list.message(next).backends == Told{{0, 1, kNowMs, kNowMs + 90'000}, {1, 0, kNowMs, 0}});
}

DrainsAcross across(const Operator& host, const Config& next) {
  return drains_across(host.config, host.list.message(host.config), next, host.list.message(next));
}

TEST_CASE("a configuration that leaves a service with drained backends only is refused with what to do") {
  Operator host(two_services());
  host.drain("api/master-1");
  host.drain("join/master-2");
  CHECK(across(host, host.config).refusals.empty());
  Config next = two_services();
  next.services[0] = service("api", {"master-1"});
  CHECK(across(host, next).refusals ==
        Names{"api: every backend that it would have is drained, new clients would be refused; undrain "
              "api/master-1 first"});
  next.services[1] = service("join", {"master-2", "master-4"});
  CHECK(across(host, next).refusals.size() == 1);
  next.services[0].backends.push_back(next.services[1].backends.back());
  CHECK(across(host, next).refusals.empty());
  host.undrain("api/master-1");
  next.services[0] = service("api", {"master-1"});
  CHECK(across(host, next).refusals.empty());
}

TEST_CASE("a drained backend is not called otherwise, nor another one as it is") {
  Operator host(two_services());
  host.drain("api/master-1");
  Config next = two_services();
  next.services[0].backends[0].name = "m1";
  CHECK(across(host, next).refusals ==
        Names{"api: master-1 would be called m1, and one of these is drained; undrain api/master-1 first"});
  // Exchanged: the one that is drained would be another apiserver.
  next = two_services();
  std::swap(next.services[0].backends[0].name, next.services[0].backends[1].name);
  CHECK(across(host, next).refusals.size() == 2);
  host.undrain("api/master-1");
  CHECK(across(host, next).refusals.empty());
}

TEST_CASE("a drain that begins to wait because of a configuration is said, and when it ends to wait again") {
  Operator host(two_services());
  host.drain("api/master-3");
  host.drain("join/master-1");
  CHECK(across(host, two_services()).changes.empty());
  const Config next = one_service({"master-1", "master-2"});
  CHECK(across(host, next).changes ==
        Names{"api: master-3 is no longer configured, it will be drained when it is again; vipward undrain "
              "api/master-3 ends that",
              "join: master-1 is no longer configured, it will be drained when it is again; vipward undrain "
              "join/master-1 ends that"});
  host.config = next;
  CHECK(across(host, next).changes.empty());
  CHECK(
      across(host, one_service({"master-3", "master-1"})).changes ==
      Names{"api: master-3 is drained, as it was when it was configured before; vipward undrain api/master-3 "
            "ends that"});
}

TEST_CASE("no more can be drained than a proxy can be told") {
  Names names;
  for (std::size_t i = 0; i < DrainList::kMost + 2; ++i) names.push_back("m" + std::to_string(i));
  Operator host(one_service(names));
  for (std::size_t i = 0; i < DrainList::kMost; ++i) REQUIRE_FALSE(host.drain(names[i]).is_problem);
  check_problem(host.drain(names[DrainList::kMost]), "no more than 255 backends can be drained");
  CHECK_FALSE(host.drain(names[0], 90s).is_problem);
}

TEST_CASE("the list reads the same after it was written") {
  Operator host(one_service({"master-1", "[fd00::1]:6443", "10.0.0.3:6443"}));
  host.drain("master-1");
  host.drain("[fd00::1]:6443", 90s);
  const std::string text = host.list.to_text();
  CHECK(text == "api/master-1 1795597936250 0\napi/[fd00::1]:6443 1795597936250 1795598026250\n");
  CHECK(DrainList::parse(text).list.entries() == host.list.entries());
}

TEST_CASE("lines that say nothing sensible are skipped and told, and so is what comes again") {
  for (const char* line : {"",
                           "\n\n",
                           "api/a",
                           "api/a 1",
                           "api/a 1 ",
                           "api/a 1 2 3",
                           "api/a  1 2",
                           " api/a 1 2",
                           "api 1 2",
                           "/a 1 2",
                           "api/ 1 2",
                           "api/a/b 1 2",
                           "a,b/c 1 2",
                           "api/a -1 2",
                           "api/a 1 2x",
                           "api/a 0x1 2",
                           "api/a 1 99999999999999999999",
                           "api/a 7258118400000 0",
                           "api/a 1 2\r",
                           "api/[fd00::1] 1 2"}) {
    CAPTURE(line);
    CHECK(DrainList::parse(line).list.entries().empty());
    const bool says_something = line[0] != '\0' && line[0] != '\n';
    CHECK(DrainList::parse(line).skipped == (says_something ? Names{line} : Names{}));
  }
  const auto parsed = DrainList::parse("api/a 1 2\nx\napi/a 3 4\njoin/a 7258118399999 0");
  CHECK(parsed.list.entries() == Entries{{"api", "a", 1, 2}, {"join", "a", 7'258'118'399'999, 0}});
  CHECK(parsed.skipped == Names{"x", "api/a 3 4"});
  std::string many;
  for (int i = 0; i < 300; ++i) many += "api/m" + std::to_string(i) + " 1 0\n";
  CHECK(DrainList::parse(many).list.entries().size() == DrainList::kMost);
  CHECK(DrainList::parse(many).skipped.size() == 300 - DrainList::kMost);
}

}  // namespace
}  // namespace vipward
