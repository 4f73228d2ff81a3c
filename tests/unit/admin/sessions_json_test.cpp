#include "lb/admin/sessions_json.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

using namespace vipward;

namespace {

SessionStatus relaying() {
  return {.service = "kube-apiserver",
          .client = "10.0.0.7:51514",
          .backend = "master-2",
          .own = "10.0.0.21:40188",
          .phase = "relaying",
          .age_seconds = 312.5,
          .idle_seconds = 0.0625,
          .bytes_to_backend = 48211,
          .bytes_to_client = 18446744073709551615U};
}

SessionStatus waiting() {
  return {.service = "join", .client = "[fd00::7]:51515", .backend = "", .own = "", .phase = "first_data"};
}

}  // namespace

TEST_CASE("sessions are the JSON of the contract, what is not known yet is null") {
  CHECK(join_sessions({render_sessions({relaying(), waiting()})}) ==
        R"({"sessions": [
  {"service": "kube-apiserver", "client": "10.0.0.7:51514", "backend": "master-2", "own": "10.0.0.21:40188", "phase": "relaying", "age_seconds": 312.500, "idle_seconds": 0.062, "bytes_to_backend": 48211, "bytes_to_client": 18446744073709551615},
  {"service": "join", "client": "[fd00::7]:51515", "backend": null, "own": null, "phase": "first_data", "age_seconds": 0.000, "idle_seconds": 0.000, "bytes_to_backend": 0, "bytes_to_client": 0}
]}
)");
}

TEST_CASE("what several workers say becomes one list, whoever of them has nothing") {
  const std::string one = render_sessions({relaying()});
  for (const auto& parts : {std::vector<std::string>{}, {""}, {"", one}, {one, "", one}, {one, one, ""}}) {
    const auto json = nlohmann::json::parse(join_sessions(parts));
    CHECK(json["sessions"].size() == static_cast<std::size_t>(std::ranges::count_if(
                                         parts, [](const auto& part) { return !part.empty(); })));
  }
}

TEST_CASE("the longest session there can be is whole") {
  SessionStatus longest = relaying();
  longest.age_seconds = 1e12;
  longest.idle_seconds = 1e12;
  longest.bytes_to_backend = 18446744073709551615U;
  const auto json = nlohmann::json::parse(join_sessions({render_sessions({longest})}));
  CHECK(json["sessions"][0]["age_seconds"] == 1e12);
  CHECK(json["sessions"][0]["bytes_to_backend"] == 18446744073709551615U);
  CHECK(json["sessions"][0]["bytes_to_client"] == 18446744073709551615U);
}
