#include "health/answers.h"

#include <doctest/doctest.h>

#include <initializer_list>
#include <utility>

namespace vipward {
namespace {

CheckOutcome judged(std::initializer_list<std::pair<const char*, int>> answers, bool has_credentials = false,
                    std::vector<int> expected = {200}) {
  PathAnswers all(std::move(expected), has_credentials);
  for (const auto& [path, status] : answers) all.add(path, status);
  CheckOutcome outcome;
  all.judge(outcome);
  return outcome;
}

}  // namespace

TEST_CASE("expected statuses on every path are ready") {
  const CheckOutcome outcome = judged({{"/healthz", 200}, {"/readyz", 200}});
  CHECK(outcome.result == CheckResult::Ready);
  CHECK(outcome.detail == "GET /healthz: 200, GET /readyz: 200");
  CHECK_FALSE(outcome.readyz_alone);
}

TEST_CASE("any status of expected_status is expected, and no other") {
  CHECK(judged({{"/", 204}}, false, {200, 204}).result == CheckResult::Ready);
  CHECK(judged({{"/", 201}}, false, {200, 204}).result == CheckResult::NotReady);
}

TEST_CASE("an unexpected /readyz is alone only beside another path that is as expected") {
  CHECK(judged({{"/healthz", 200}, {"/readyz", 500}}).readyz_alone);
  CHECK(judged({{"/livez", 200}, {"/readyz?verbose", 500}}).readyz_alone);
  CHECK_FALSE(judged({{"/healthz", 500}, {"/readyz", 500}}).readyz_alone);
  CHECK_FALSE(judged({{"/healthz", 500}, {"/readyz", 200}}).readyz_alone);
  CHECK_FALSE(judged({{"/readyz", 500}}).readyz_alone);
  CHECK_FALSE(judged({{"/healthz", 200}, {"/readyz/etcd", 500}}).readyz_alone);
}

TEST_CASE("a 401 says what to configure") {
  const CheckOutcome outcome = judged({{"/readyz", 401}});
  CHECK(outcome.result == CheckResult::NotReady);
  CHECK(outcome.complaint == CheckComplaint::Credentials);
  CHECK(outcome.detail ==
        "GET /readyz: 401: the apiserver wants credentials: set health_check.tls.certificate_file and "
        "key_file, or "
        "bearer_token_file");
}

TEST_CASE("a 401 in spite of credentials says which ones") {
  CHECK(judged({{"/readyz", 401}}, true).detail ==
        "GET /readyz: 401: the apiserver does not accept the credentials of "
        "health_check.tls.certificate_file or "
        "bearer_token_file");
}

TEST_CASE("a 403 names the cluster role, once for all paths") {
  const CheckOutcome outcome = judged({{"/healthz", 403}, {"/readyz", 403}}, true);
  CHECK(outcome.complaint == CheckComplaint::Credentials);
  CHECK(outcome.detail ==
        "GET /healthz: 403, GET /readyz: 403: the apiserver forbids it: bind the check's user to the "
        "ClusterRole "
        "system:public-info-viewer");
}

TEST_CASE("an expected 401 is no complaint") {
  const CheckOutcome outcome = judged({{"/", 401}}, false, {401});
  CHECK(outcome.result == CheckResult::Ready);
  CHECK(outcome.complaint == CheckComplaint::None);
  CHECK(outcome.detail == "GET /: 401");
}

}  // namespace vipward
