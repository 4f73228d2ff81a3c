#include "health/path_evidence.h"

#include <doctest/doctest.h>

using namespace vipward;
using std::chrono::seconds;

namespace {
const TimePoint kStart{};
}  // namespace

TEST_CASE("a silence is the backend's own once another one answers a check that began later") {
  PathEvidence path(2);
  path.on_answer(0, kStart);
  path.on_answer(1, kStart);
  path.on_silence(0, kStart + seconds(3));
  CHECK(path.may_be_our_path(0));

  path.on_answer(1, kStart + seconds(2));
  CHECK_MESSAGE(path.may_be_our_path(0), "this check began before the silence was known");
  path.on_answer(1, kStart + seconds(4));
  CHECK_FALSE(path.may_be_our_path(0));
  CHECK_FALSE(path.may_be_our_path(1));
}

TEST_CASE("backends that fall silent together may all be behind our own network") {
  PathEvidence path(3);
  for (std::size_t i = 0; i < 3; ++i) path.on_answer(i, kStart + seconds(1));
  for (std::size_t i = 0; i < 3; ++i) path.on_silence(i, kStart + seconds(4));
  for (std::size_t i = 0; i < 3; ++i) path.on_silence(i, kStart + seconds(8));
  for (std::size_t i = 0; i < 3; ++i) CHECK(path.may_be_our_path(i));
}

TEST_CASE("an answer ends a silence, and the next one begins anew") {
  PathEvidence path(2);
  path.on_silence(0, kStart + seconds(1));
  path.on_answer(1, kStart + seconds(2));
  path.on_answer(0, kStart + seconds(3));
  CHECK_FALSE(path.may_be_our_path(0));
  path.on_silence(0, kStart + seconds(5));
  CHECK(path.may_be_our_path(0));
}

TEST_CASE("a backend that is alone can never tell") {
  PathEvidence path(1);
  path.on_silence(0, kStart + seconds(1));
  CHECK(path.may_be_our_path(0));
}
