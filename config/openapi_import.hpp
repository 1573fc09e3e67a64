#pragma once
// `postern providers import`: an OpenAPI 3.0, 3.1 or 3.2 document becomes a catalog entry (DESIGN section 11).
//
// Purpose: its servers become the hosts, variables of theirs that a tenant chooses the entry's `fields`, its security
// schemes the ways to authenticate; what cannot be mapped is said, with the reason, and never guessed. The entry that
// comes out lints. Pure: no network, no clock; what openIdConnect schemes need beside the document is an argument.
// Thread safety: any thread. Errors: what keeps an entry from being made at all, at file:line:column or JSON pointer.
// Sources: OpenAPI 3.1.0 (server object 4.8.5, security requirement 4.8.30, security scheme 4.8.27), OpenID Connect
// Discovery 1.0 sections 3 and 4.
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"
#include "config/openapi_outline.hpp"

namespace postern::config {

struct ImportOptions {
  std::string file = {};      // what errors name, and the entry's first line; may be empty
  std::string id = {};        // empty: made from the title
  std::string base_url = {};  // https://host[:port][/path]; first of the hosts, and where relative server URLs begin
  std::map<std::string, std::string> discovery = {};  // an openIdConnect scheme's URL -> the bytes found there
  std::set<std::string> confirmed = {};               // hosts where discovered endpoints may be besides their issuer's
  std::set<std::string> skip = {};                    // names of schemes to leave out
  // What a document without schemes does not say: "bearer", "basic", "header:NAME", "query:NAME", "cookie:NAME".
  std::string auth = {};
};

struct MappedAuth {
  std::string auth, type;            // of the entry
  std::vector<std::string> schemes;  // of the document; several: they are sent together
  std::size_t operations = 0;        // that may be called with exactly these
};

struct ImportRemark {
  std::string place;  // JSON pointer, or line:column of a YAML document; empty: the document
  std::string text;
};

struct Imported {
  std::string id, title;
  std::string yaml;                      // the entry; empty while `discovery` or `unconfirmed` is not
  std::vector<std::string> hosts;        // who may see the secrets, as the entry lists them
  std::vector<std::string> endpoints;    // hosts of the token, authorize and revoke URLs, sorted
  std::vector<MappedAuth> mapped;        // sorted by `auth`
  std::vector<ImportRemark> unmapped;    // servers and schemes that are not in the entry, and why
  std::vector<ImportRemark> remarks;     // what a person should look at
  std::vector<std::string> discovery;    // URLs whose documents are needed (ImportOptions::discovery)
  std::vector<std::string> unconfirmed;  // hosts that are neither their issuer's nor confirmed
};

Result<Imported> import_openapi(std::string_view bytes, const ImportOptions& options);

// Of an entry's text: at most this is stored.
inline constexpr std::size_t kMaxImportedEntry = std::size_t{128} << 10;
inline constexpr std::size_t kMaxDiscovery = std::size_t{256} << 10;

}  // namespace postern::config
