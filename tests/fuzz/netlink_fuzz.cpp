// Whatever bytes a datagram of rtnetlink holds: the parser stays in bounds, and the table can live with what
// it says.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "lb/net/link_table.h"
#include "lb/net/netlink_message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  vipward::NetlinkAnswer answer;
  vipward::decode(std::as_bytes(std::span(data, size)), std::nullopt, answer);
  vipward::LinkTable table;
  for (const vipward::NetlinkEvent& event : answer.events) table.apply(event);
  for (const vipward::InterfaceAddress& address : table.addresses()) {
    for (const std::string& name : table.interfaces_towards(address.address)) {
      table.source_for(name, address.address, {});
      table.link_local_of(name, {});
    }
  }
  return 0;
}
