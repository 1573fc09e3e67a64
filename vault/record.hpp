#pragma once
// The records the vault keeps, as plain data. Times are milliseconds since the Unix epoch; 0 means never/unset.
// Metadata (Connection) and credential (Credential) of one connection are two records, each sealed as one unit.
// Two counters that are never mixed: `version` moves with every write of that record (compare-and-set, ETag);
// `generation` moves only when credential material changes.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vault/secret.hpp"

namespace postern::vault {

inline constexpr std::string_view kDefaultOrganization = "org_default";
inline constexpr std::string_view kDefaultProject = "proj_default";

enum class Scope : std::uint8_t { personal, project, organization };
enum class Status : std::uint8_t { active, expired, error, revoked };

// Where a secret may go, frozen when the secret was stored. `host` is exact, lower case, no trailing dot.
struct Destination {
  std::string host;
  std::uint16_t port = 443;
  std::string path_prefix;  // empty: every path
  bool operator==(const Destination&) const = default;
};

struct Connection {
  std::string id;  // conn_…
  std::string organization{kDefaultOrganization};
  std::string project{kDefaultProject};
  std::string owner;  // user id, or "service"
  Scope scope = Scope::project;
  std::string alias;  // unique in the project; never looks like an id
  std::string name;
  std::string app;          // provider id of the catalog
  std::string auth;         // key of the provider's `auth` map
  std::string type;         // API_KEY, BEARER, BASIC, CUSTOM, …
  std::string auth_config;  // ac_… or empty
  std::string config;       // non-secret variables, a JSON object as text
  std::vector<Destination> destinations;
  std::string end_user;  // empty: none
  std::vector<std::string> tags;
  bool enabled = true;
  Status status = Status::active;
  std::string status_reason;  // machine readable; empty while active
  std::int64_t status_since = 0;
  std::int64_t created = 0;
  std::int64_t updated = 0;
  std::uint64_t version = 0;
  std::uint64_t generation = 0;  // of the credential it was last written with
};

struct Credential {
  std::uint64_t generation = 0;
  std::map<std::string, Secret> values;  // the catalog entry's `fields`
};

// What a caller or an administrator holds. Of the token only an HMAC under a data key is stored.
struct Authorization {
  std::string id;            // tok_…
  std::string organization;  // empty: a system authorization
  std::string project;       // empty: every project of the organization
  std::string user;          // whose permissions bound it
  std::string name;
  std::string parent;  // the authorization that made it; empty for the first
  std::vector<std::string> capabilities;
  std::vector<std::string> connections;             // ids; "*" alone means all; empty means none
  std::optional<std::vector<std::string>> hosts;    // absent: what the connection allows; empty: nothing
  std::optional<std::vector<std::string>> methods;  // likewise
  std::vector<std::string> default_for;             // "host", or "<connection id> host" to say which
  std::string public_id;                            // the 12 characters of the token that may be shown
  std::string digest;                               // HMAC-SHA-256 of the token, 32 bytes
  std::int64_t created = 0;
  std::int64_t expires = 0;  // 0: never (system authorizations only)
  std::int64_t revoked = 0;
  std::uint64_t version = 0;
};

// One line each that is safe to log: ids, kinds and field names, never a value, an alias, a name or a digest.
std::string describe(const Connection& connection);
std::string describe(const Credential& credential);
std::string describe(const Authorization& authorization);

}  // namespace postern::vault
