#include "lb/proxy/reasons.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

namespace vipward {
namespace {

template <class Names>
bool are_label_values(const Names& names) {
  return std::all_of(names.begin(), names.end(), [](std::string_view name) {
    return !name.empty() &&
           std::all_of(name.begin(), name.end(), [](char c) { return c == '_' || (c >= 'a' && c <= 'z'); });
  });
}

TEST_CASE("the reasons of an end and of a refusal have words of their own, fit for a label") {
  CHECK(std::set(kEndReasons.begin(), kEndReasons.end()).size() == kEndReasons.size());
  CHECK(std::set(kRejectReasons.begin(), kRejectReasons.end()).size() == kRejectReasons.size());
  CHECK(are_label_values(kEndReasons));
  CHECK(are_label_values(kRejectReasons));
}

TEST_CASE("the words stand where the enumerators do") {
  CHECK(to_string(EndReason::ClientClosed) == "client_closed");
  CHECK(to_string(EndReason::ClientLeft) == "client_left");
  CHECK(to_string(EndReason::NoBackend) == "no_backend");
  CHECK(to_string(EndReason::BackendDead) == "backend_dead");
  CHECK(to_string(EndReason::VipReleased) == "vip_released");
  CHECK(to_string(EndReason::Stopping) == "stopping");
  CHECK(static_cast<std::size_t>(EndReason::Stopping) + 1 == kEndReasons.size());
  CHECK(to_string(RejectReason::Limit) == "limit");
  CHECK(to_string(RejectReason::NoBackend) == "no_backend");
  CHECK(to_string(RejectReason::VipReleased) == "vip_released");
  CHECK(static_cast<std::size_t>(RejectReason::VipReleased) + 1 == kRejectReasons.size());
}

}  // namespace
}  // namespace vipward
