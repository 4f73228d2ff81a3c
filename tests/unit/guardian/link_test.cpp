// The guardian keeps rights that a bug in a big library must not get at: what it links is a decision, not an
// accident.
#include <doctest/doctest.h>

#include <fstream>
#include <string>

#include "lb/guardian/run.h"

namespace vipward {
namespace {

TEST_CASE("the guardian links no TLS, HTTP or metrics library") {
  // So that the linker cannot leave the part out.
  CHECK(run("/nonexistent/vipward.yaml") == 1);
  std::ifstream maps("/proc/self/maps");
  std::string line;
  std::size_t libraries = 0;
  while (std::getline(maps, line)) {
    if (line.find(".so") == std::string::npos) continue;
    ++libraries;
    for (const char* unwanted : {"libssl", "libcrypto", "libhttp_parser", "libprometheus"}) {
      CHECK_MESSAGE(line.find(unwanted) == std::string::npos, line);
    }
  }
  CHECK(libraries > 0);
}

}  // namespace
}  // namespace vipward
