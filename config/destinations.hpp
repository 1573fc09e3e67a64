#pragma once
// Where a connection's secret may go: an entry's host patterns with the connection's variables put in, frozen.
//
// Not part of the room's door. Pure, thread safe. Mistakes carry the pointer of the variable that caused them.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/provider.hpp"
#include "config/tree.hpp"

namespace postern::config {

struct Frozen {
  std::vector<HostPattern> destinations;  // exact
  std::string base_url;
};
// nullopt: something was wrong, and is among the mistakes.
std::optional<Frozen> freeze_destinations(const Provider& provider, const std::map<std::string, std::string>& variables,
                                          Mistakes& mistakes);

// Host and port of an https URL without variables; nullopt: not one.
std::optional<HostPattern> host_of_url(std::string_view url);
std::string url_of_host(const HostPattern& host);  // "https://a.example", with the port unless it is 443
bool holds_host(const std::vector<HostPattern>& destinations, const HostPattern& host);  // whatever its paths
// False: it is there already, with the same path prefix.
bool add_destination(std::vector<HostPattern>& destinations, HostPattern host);

}  // namespace postern::config
