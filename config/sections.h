// The sections of the configuration, each read from its part of the document into plain values. What concerns
// one section is checked here, what concerns several in validate.h. Owned by the load; one thread.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "config/reader.h"

namespace vipward::config {

// Where something in the file was said, for checks that compare it with something elsewhere.
struct Place {
  Position position;
  std::string path;
};

struct PlacedListen {
  ListenConfig listen;
  std::optional<std::size_t> service;  // its index; absent: admin
  std::optional<Place> place;          // absent: a default, not in the file
};

struct PlacedBackend {
  SocketAddress address;
  Place place;
  std::size_t service = 0;
};

// Everything that the sections share while they are read.
struct Findings {
  Problems& errors;
  std::vector<PlacedListen> listens;
  std::vector<PlacedBackend> backends;
};

// services.cpp
void read_services(MappingReader& root, std::vector<ServiceConfig>& services, Findings& findings);
// health_check.cpp; `service` is the mapping that holds `health_check`.
void read_health_check(MappingReader& service, HealthCheckConfig& check);
// vip.cpp
void read_vip(MappingReader& root, std::optional<VipConfig>& vip);
// process.cpp: admin, control_socket, user, workers, log
void read_process(MappingReader& root, Config& config, Findings& findings);

// addresses.cpp: single addresses and lists of them, shared by the sections.
// `text` is the value's; a port of a file is 1 to 65535. Nullopt after an error that names what is missing.
std::optional<SocketAddress> read_socket_address(const Value& value, const std::string& text,
                                                 std::string_view example);
void read_networks(MappingReader& map, std::string_view key, std::vector<Cidr>& networks);
// A path of a file on this host; its contents are the business of who opens it.
Found read_file_path(MappingReader& map, std::string_view key, std::optional<std::string>& path);

}  // namespace vipward::config
