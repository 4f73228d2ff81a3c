#include "tests/support/seed_corpus.h"
#include "tests/unit/channel/messages.h"

namespace vipward::channel_test {
namespace {

TEST_CASE("the fuzz target's corpus is a good message of every kind") {
  test::Seeds seeds;
  test::add_packets(seeds, "to_proxy", messages_to_proxy());
  test::add_packets(seeds, "to_guardian", messages_to_guardian());
  std::vector<channel::ToProxy> with_later_fields;
  with_later_fields.emplace_back(status_with_later_fields());
  test::add_packets(seeds, "to_proxy_later", with_later_fields);
  test::check_corpus(VIPWARD_CORPUS, seeds);
}

}  // namespace
}  // namespace vipward::channel_test
