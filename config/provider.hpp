#pragma once
// One catalog entry as data (DESIGN section 11). Immutable after load.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"
#include "config/expand.hpp"
#include "config/oauth.hpp"

namespace postern::config {

enum class Place : std::uint8_t { header, query, cookie, form, json, path };

struct InjectRule {
  Place place = Place::header;
  std::string name;  // header name, parameter name, cookie name, JSON pointer; empty for path
  Template value;    // for path: the prefix, starting with '/'
};

struct FieldSpec {
  bool secret = false;   // in an auth's fields every one that does not say `secret: false`
  bool list = false;     // of config: several texts; a host with such a variable is one host for each of them
  bool required = true;  // an absent optional field is its default, "" without one; a field with a default is optional
  std::string title, description, pattern, example, default_value;
};

struct HostPattern {  // "api.stripe.com", "*.zendesk.com", "${subdomain}.example.com", "host:8443", "host/prefix"
  std::string host;   // exact, or ".zendesk.com" for a wildcard; may be a template
  bool wildcard = false;
  std::uint16_t port = 443;
  std::string path_prefix;
};

struct Verify {
  std::string method = "GET";
  std::string path;  // absolute, on base_url's host; may hold ${variable} of Provider::fields, and a query
  std::vector<int> expect = {200};
  std::map<std::string, std::string> headers;  // what the call needs besides the credential; never a secret
  std::string account;  // where the answer names the account (a path as in oauth.hpp); empty: it does not
};

struct Auth {
  std::string name;  // key in the provider's `auth` map
  std::string type;  // API_KEY, BEARER, BASIC, CUSTOM, OAUTH2, …
  std::string title;
  std::map<std::string, FieldSpec> fields;  // of `value`: BEARER without fields has token, BASIC username and password
  std::vector<InjectRule> inject;           // filled with the type's default where the entry has none
  std::optional<Sign> sign;                 // of those that sign always; of those that fetch where the entry says so
  std::optional<OAuth> oauth;               // of the types in oauth_types() alone
  std::map<std::string, FieldSpec> app_fields;  // of an auth config's `value`: clientId and clientSecret unless named
  std::optional<Verify> verify;                 // absent: the provider's
};

// Every connection type of the design; a catalog entry may name any of them.
const std::vector<std::string>& known_types();
// API_KEY, BEARER, BASIC, CUSTOM and those that sign: whose `value` is the credential itself.
bool is_static_type(std::string_view type);
// AWS_SIGV4, HMAC, OAUTH1 and others: whose credential signs the request or the handshake, as `sign` says.
bool is_signed_type(std::string_view type);
// CERTIFICATE, DIGEST: whose upstream connections belong to one credential.
bool is_bound_type(std::string_view type);
// A field of `value` that proves something without ever being sent: no rule may name it.
bool stays_here(std::string_view type, std::string_view field);
// The static ones and the types of OAuth: the ones that plan_connection serves.
bool is_served_type(std::string_view type);

struct Provider {
  std::string id, title, docs, source;  // source: file the entry came from
  std::string base_url;                 // may hold ${field}; the generic provider has none
  std::vector<HostPattern> hosts;
  std::map<std::string, FieldSpec> fields;  // non-secret variables of `config`
  std::map<std::string, Auth> auth;
  std::vector<std::string> pass;  // field names (lower case) and "query:<name>" that are let through, either direction
  std::optional<Verify> verify;
  bool generic = false;  // `http`: hosts and inject come with the connection
};

}  // namespace postern::config
