#include "tests/support/seed_corpus.h"
#include "tests/unit/handover/messages.h"

namespace vipward::handover_test {
namespace {

TEST_CASE("the fuzz target's corpus is a good message of every kind") {
  test::Seeds seeds;
  test::add_packets(seeds, "to_successor", messages_to_successor());
  test::add_packets(seeds, "to_predecessor", messages_to_predecessor());
  test::check_corpus(VIPWARD_CORPUS, seeds);
}

}  // namespace
}  // namespace vipward::handover_test
