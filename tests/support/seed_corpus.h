// The corpus of a fuzz target as the tests of the same messages know it: a good one of every kind must be
// among its files, or the fuzzer never comes past the first check. Header alone: unit tests link their part
// and no more.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace vipward::test {

// Name of the file -> what is in it.
using Seeds = std::map<std::string, std::string>;

// Packets as their fuzz targets read them: the number of descriptors, then the bytes. `encode` is that of the
// messages' own namespace.
template <class Message>
void add_packets(Seeds& seeds, const std::string& direction, const std::vector<Message>& messages) {
  int number = 0;
  for (const Message& message : messages) {
    const auto packet = encode(message);
    std::string& seed = seeds[direction + "_" + std::to_string(number++)];
    seed.push_back(static_cast<char>(packet.descriptors.size()));
    seed.append(packet.bytes.begin(), packet.bytes.end());
  }
}

// With VIPWARD_WRITE_CORPUS set the files are written instead.
inline void check_corpus(const std::filesystem::path& folder, const Seeds& seeds) {
  namespace fs = std::filesystem;
  std::set<std::string> there;
  if (std::getenv("VIPWARD_WRITE_CORPUS") != nullptr) {
    fs::create_directories(folder);
    for (const auto& [name, bytes] : seeds) {
      std::ofstream file(folder / name, std::ios::binary);
      file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    }
  }
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    if (bytes.empty()) FAIL("cannot be read: ", entry.path().string());
    there.insert(bytes);
  }
  for (const auto& [name, bytes] : seeds)
    CHECK_MESSAGE(there.contains(bytes), name, " is not in ", folder.string(),
                  ": run this test with VIPWARD_WRITE_CORPUS=1");
  // Nothing that is said no more.
  std::set<std::string> said;
  for (const auto& [name, bytes] : seeds) said.insert(bytes);
  CHECK(there.size() == said.size());
}

}  // namespace vipward::test
