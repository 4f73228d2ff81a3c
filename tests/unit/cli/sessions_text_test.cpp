#include "lb/cli/sessions_text.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

using namespace vipward;
using Json = nlohmann::json;

namespace {

Json session(const std::string& client, double age) {
  return {{"service", "api"},         {"client", client},      {"backend", "master-1"},
          {"own", "10.0.0.21:40188"}, {"phase", "relaying"},   {"age_seconds", age},
          {"idle_seconds", 0.25},     {"bytes_to_backend", 7}, {"bytes_to_client", 1290441}};
}

std::string text_of(const std::vector<Json>& sessions) {
  return render_sessions_text(Json{{"sessions", sessions}}.dump()).value();
}

}  // namespace

TEST_CASE("sessions are a line that counts them and a table, oldest first") {
  Json fresh = session("[fd00::7]:51515", 0.04);
  fresh["backend"] = nullptr;
  fresh["phase"] = "first_data";
  fresh["bytes_to_client"] = 0;
  CHECK(text_of({fresh, session("10.0.0.7:51514", 312.5), session("10.0.0.8:1", 100'000)}) ==
        "3 sessions\n"
        "  SERVICE  CLIENT           BACKEND   PHASE       AGE    IDLE  TO BACKEND  TO CLIENT\n"
        "  api      10.0.0.8:1       master-1  relaying    1d03h  0.2s  7           1290441\n"
        "  api      10.0.0.7:51514   master-1  relaying    5m12s  0.2s  7           1290441\n"
        "  api      [fd00::7]:51515  -         first_data  0.0s   0.2s  7           0\n");
}

TEST_CASE("nobody connected is a line alone, and one is one") {
  CHECK(text_of({}) == "0 sessions\n");
  CHECK(text_of({session("10.0.0.7:1", 1)}).starts_with("1 session\n"));
}

TEST_CASE("ages have two figures that matter") {
  for (const auto& [seconds, text] : std::vector<std::pair<double, std::string>>{{0, "0.0s"},
                                                                                 {59.94, "59.9s"},
                                                                                 {60, "1m00s"},
                                                                                 {3599, "59m59s"},
                                                                                 {3600, "1h00m"},
                                                                                 {86'399, "23h59m"},
                                                                                 {86'400, "1d00h"},
                                                                                 {-5, "0.0s"}}) {
    CAPTURE(seconds);
    CHECK(text_of({session("10.0.0.7:1", seconds)}).find("  " + text + "  ") != std::string::npos);
  }
}

TEST_CASE("what is not the sessions of a daemon is told apart") {
  for (const char* json : {"", "{}", "[]", "{\"sessions\": {}}", "not json"})
    CHECK_FALSE(render_sessions_text(json).has_value());
  CHECK(render_sessions_text("{\"sessions\": [{\"client\": 7}]}").has_value());
}

TEST_CASE("no control character gets to the terminal") {
  CHECK(text_of({session("10.0.0.7\x1b[2J", 1)}).find('\x1b') == std::string::npos);
}
