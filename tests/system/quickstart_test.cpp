// The demonstration of the README, from its first line to its end.
#include <doctest/doctest.h>

#include "tests/support/network.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

TEST_CASE("deploy/quickstart shows requests answered by each backend, and ends by itself") {
  Network net;
  // A loopback of its own: its ports may be in use on this machine.
  const Host host = net.host("demo");
  const CommandResult result =
      host.run({"deploy/quickstart", "--preset", VIPWARD_PRESET, "--seconds", "5"}, 300s);
  const std::string output = result.standard_output + result.standard_error;
  CHECK_MESSAGE(result.exit_code == 0, output);
  for (const char* part :
       {"master-1", "master-2", "master-3", "/metrics", "vipward status --control-socket"}) {
    CHECK_MESSAGE(output.find(part) != std::string::npos, part, " is missing in:\n", output);
  }
  // Nothing is left running.
  CHECK(run_command({"ip", "netns", "pids", host.namespace_name()}).standard_output.empty());
}

TEST_CASE("deploy/quickstart --kubernetes puts three real apiservers behind one address") {
  Network net;
  const Host host = net.host("demo");
  const CommandResult result =
      host.run({"deploy/quickstart", "--kubernetes", "--preset", VIPWARD_PRESET, "--seconds", "3"}, 400s);
  const std::string output = result.standard_output + result.standard_error;
  CHECK_MESSAGE(result.exit_code == 0, output);
  for (const char* part : {"kube-system", "vipward_backend_connections_total", "export KUBECONFIG="}) {
    CHECK_MESSAGE(output.find(part) != std::string::npos, part, " is missing in:\n", output);
  }
  CHECK(run_command({"ip", "netns", "pids", host.namespace_name()}).standard_output.empty());
}

}  // namespace
}  // namespace vipward::test
