#include <string_view>

#include "tests/support/seed_corpus.h"
#include "tests/unit/channel/messages.h"

namespace vipward::channel_test {
namespace {

// As channel_fuzz.cpp reads it: the number of descriptors, then the packet.
template <class Message>
void add(std::map<std::string, std::string>& seeds, std::string_view direction,
         const std::vector<Message>& messages) {
  int number = 0;
  for (const Message& message : messages) {
    const channel::Packet packet = channel::encode(message);
    std::string& seed = seeds[std::string(direction) + "_" + std::to_string(number++)];
    seed.push_back(static_cast<char>(packet.descriptors.size()));
    seed.append(packet.bytes.begin(), packet.bytes.end());
  }
}

TEST_CASE("the fuzz target's corpus is a good message of every kind") {
  std::map<std::string, std::string> seeds;
  add(seeds, "to_proxy", messages_to_proxy());
  add(seeds, "to_guardian", messages_to_guardian());
  test::check_corpus(VIPWARD_CORPUS, seeds);
}

}  // namespace
}  // namespace vipward::channel_test
