#pragma once
// What the files of the OpenAPI import share. Not part of the room's door. Thread safety: one object, one thread.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json.hpp>

#include "config/openapi_import.hpp"

namespace postern::config {

// One line of at most `most` bytes, without control characters.
std::string one_line(std::string_view text, std::size_t most = 200);

// An import under way: what has been found, and the entry so far, in the shape of a catalog file.
struct Import {
  const ImportOptions& options;
  const Node& document;
  Imported out;
  boost::json::array hosts;    // of the entry
  boost::json::object fields;  // variables, by name
  boost::json::object auth;
  std::string base_url;                          // empty until the first server
  std::map<std::string, std::string> variables;  // of servers: name in the document -> name in `fields`

  void unmapped(const Node& at, std::string_view text) { out.unmapped.push_back({place_of(at), one_line(text, 400)}); }
  void remark(const Node& at, std::string_view text) { out.remarks.push_back({place_of(at), one_line(text, 400)}); }
  // What keeps these parts from being an entry, in lint's words; nullopt: they are one. Where `auth` is empty any is
  // taken in its place.
  std::optional<std::string> mistake(const boost::json::array& hosts, const boost::json::object& fields,
                                     const boost::json::object& auth) const;
  std::string entry(const boost::json::array& hosts, const boost::json::object& fields,
                    const boost::json::object& auth) const;
};

// Fills hosts, fields, base_url. Errors: none of the servers can be reached.
Result<void> import_servers(Import& import);
// Fills auth, mapped, endpoints, discovery, unconfirmed. Errors: a `$ref` that leads out or around, or nothing to map.
Result<void> import_schemes(Import& import);

// A scheme as the entries of `auth:` that it becomes: name suffix ("", "-client") -> entry. An empty list: unmapped,
// and said.
struct AuthEntry {
  std::string suffix;
  boost::json::object entry;
};
std::vector<AuthEntry> import_oauth2(Import& import, const std::string& name, const Node& scheme);
std::vector<AuthEntry> import_openid(Import& import, const std::string& name, const Node& scheme);
// The scopes that the document's own `security` asks of this scheme.
std::vector<std::string> wanted_scopes(const Import& import, const std::string& name);

// The text of a scalar member; empty: absent, or not a text.
std::string member(const Node& node, std::string_view key);
// The host of an https URL (with its port unless 443), in normal form; nullopt: not https, or no host.
std::optional<std::string> https_host(std::string_view url);
// A text as a template that means only itself.
std::string literal(std::string_view text);
// [a-z0-9-], no '-' at the ends, at most `most`; empty where nothing is left.
std::string slug(std::string_view text, std::size_t most);
// `name` or `name-2`, … whatever is not a key of `taken`.
std::string free_name(const boost::json::object& taken, const std::string& name, std::string_view joint = "-");

}  // namespace postern::config
