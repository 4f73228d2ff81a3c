// README's page "From keepalived to vipward", as a test follows it: its steps ("**1. On both hosts ...**") in
// order, each with the configuration it shows and the commands it tells to give, host by host. Reads the file
// of the working directory.
#pragma once

#include <string>
#include <vector>

namespace vipward::test {

struct PageStep {
  // What is to be done on one host: a comment of the page's sh block that begins with a host's name opens it.
  struct Turn {
    std::string host;  // "edge-1", "both hosts"
    std::string title;
    std::vector<std::string> commands;
  };

  std::string title;          // "1. On both hosts"
  std::string configuration;  // of its yaml block; empty: it has none
  std::vector<Turn> turns;
};

// Throws if the page is not there, or not of this form.
std::vector<PageStep> read_migration_page();

}  // namespace vipward::test
