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
  std::string auth_config;  // ac_… of the same organization, and of this project or of all; empty: none
  std::string config;       // non-secret variables, a JSON object as text
  std::vector<Destination> destinations;
  std::string end_user;  // empty: none
  std::vector<std::string> tags;
  bool enabled = true;
  Status status = Status::active;
  std::string status_reason;  // machine readable; empty while active and nothing is wrong
  std::int64_t status_since = 0;
  std::int64_t created = 0;
  std::int64_t updated = 0;
  std::uint64_t version = 0;
  std::uint64_t generation = 0;      // of the credential it was last written with
  std::string status_text;           // the last error, for people; never a secret
  std::string account;               // what the provider calls the account; empty: unknown
  std::int64_t last_refresh = 0;     // when its tokens were last fetched
  std::int64_t expires = 0;          // when the access token ends, by the wall clock; 0: unknown, or never
  std::int64_t refresh_expires = 0;  // the same of the refresh token
  std::int64_t touch = 0;            // when the background is to look at it; 0: when it expires (TokenBook::due)
  std::int64_t previous_until = 0;   // the credential before this one is kept until then; 0: none is
};

// How the age of an access token is told, whatever is done to one of the clocks (DESIGN section 7, point 1).
struct TokenTimes {
  std::int64_t sent_ms = 0;       // wall clock when the token request was sent
  std::int64_t sent_boot_ms = 0;  // CLOCK_BOOTTIME at that moment; means nothing after another start of the host
  std::string boot_id;            // /proc/sys/kernel/random/boot_id at that moment
  std::optional<std::int64_t> lifetime_ms;  // as the answer said; absent: it did not
  std::string scope;                        // that was granted; empty: not said
  std::int64_t touched_ms = 0;              // when the refresh token was last used; 0: never
};

struct Credential {
  std::uint64_t generation = 0;
  // The catalog entry's `fields`; of tokens "accessToken", "refreshToken", "idToken", and what else the answer held.
  std::map<std::string, Secret> values;
  std::optional<TokenTimes> times = std::nullopt;  // absent: no token
};

// The credential that a rotation replaced, kept sealed until `Connection::previous_until`, with what was known of it.
struct Previous {
  std::int64_t until = 0;
  Status status = Status::active;
  std::string status_reason, status_text;
  std::string account;
  std::int64_t last_refresh = 0, expires = 0, refresh_expires = 0, touch = 0;
  Credential credential;  // of the generation that it had
};

// What a call with an Idempotency-Key made, so that its repetition makes nothing. No body and no token is in it.
struct KeptAnswer {
  std::string organization;  // whose call it was; empty: the system's
  std::string key;           // Vault::keyed_digest() of caller, route and key, as 43 to 64 characters of a reference
  std::string body;          // the same of the body
  std::uint16_t status = 0;  // that was answered
  std::string id;            // of what was made or changed; empty: nothing that has one
  std::string project;       // that it lies in; empty: in none
  bool token = false;        // the answer held a token, which is shown once
  std::int64_t created = 0;
};

// One OAuth app (or whatever else belongs to the operator and not to an account), shared by many connections.
struct AuthConfig {
  std::string id;  // ac_…
  std::string organization{kDefaultOrganization};
  std::string project;  // empty: every project of the organization
  std::string name;
  std::string provider;  // as Connection::app
  std::string auth;      // as Connection::auth
  bool enabled = true;
  std::string config;                              // non-secret variables, a JSON object as text
  std::optional<std::vector<std::string>> scopes;  // absent: the catalog's defaults
  std::optional<std::vector<std::string>> hosts;   // narrower than the catalog's; absent: those
  std::map<std::string, Secret> values;            // the catalog entry's `app_fields`: clientId, clientSecret, …
  Status status = Status::active;                  // active or error
  std::string status_reason;
  std::string status_text;  // for people; never a secret
  std::int64_t status_since = 0;
  std::int64_t created = 0;
  std::int64_t updated = 0;
  std::uint64_t version = 0;
};

// A token request that was about to be sent, written before it is: what a start after a crash goes on from. It is gone
// with the outcome. One of each connection at most.
struct Intent {
  std::string id;  // int_…; another after take_over()
  std::string organization;
  std::string project;
  std::string connection;
  std::uint64_t generation = 0;  // of the credential that it is to follow
  std::string holder;            // who is at it: a process, for people and leases
  std::int64_t started = 0;
  std::string digest;  // keyed digest of the refresh token that it spends, 32 bytes; empty: it spends none
  std::uint64_t version = 0;
};

enum class LinkStatus : std::uint8_t { pending, opened, returned, active, failed, expired };

// One attempt of a person to connect an account in a browser.
struct Link {
  std::string id;  // link_…
  std::string organization{kDefaultOrganization};
  std::string project{kDefaultProject};
  // What the connection is to be.
  std::string provider;
  std::string auth;
  std::string auth_config;
  std::string name;
  std::string alias;
  Scope scope = Scope::project;
  std::string owner;
  std::string end_user;
  std::vector<std::string> tags;
  std::string config;
  std::string connection;    // conn_… to reconnect, or that came of it; empty: a new one, not there yet
  std::string requested_by;  // tok_… of the authorization that asked for it
  // The way to the provider and back.
  std::string state_digest;   // keyed digest of the state, in hex; empty: there is none, or not any more
  std::string cookie_digest;  // what the caller made of the browser's cookie (Vault::keyed_digest)
  Secret verifier;            // of PKCE; empty: none
  std::string redirect_uri;
  std::vector<std::string> scopes;
  LinkStatus status = LinkStatus::pending;
  std::string reason;                    // machine readable, of a failure
  std::string text;                      // for people; never a secret
  std::string account;                   // what the provider calls the account; empty: unknown
  std::optional<Credential> credential;  // tokens that wait for the person's last click; absent: none
  std::int64_t created = 0;
  std::int64_t expires = 0;
  std::uint64_t version = 0;
};

// The local CA: what the leaves of intercepted hosts are signed with, as it is kept. At most one.
struct AuthorityRecord {
  std::string certificate;  // PEM; everybody may see it
  Secret key;               // PKCS #8, DER
  std::string previous;     // the certificate before the last rotation, for a transition; empty: none. Its key is gone
  std::int64_t created = 0;
  std::int64_t updated = 0;
  std::uint64_t version = 0;
};

// The level above everything else: nothing of one is ever usable in another.
struct Organization {
  std::string id;  // org_…, or org_default
  std::string name;
  bool enabled = true;  // otherwise none of its authorizations is good for anything
  std::int64_t created = 0;
  std::int64_t updated = 0;
  std::uint64_t version = 0;
};

struct Project {
  std::string id;  // proj_…, or proj_default
  std::string organization;
  std::string name;
  std::int64_t created = 0;
  std::int64_t updated = 0;
  std::uint64_t version = 0;
};

// What somebody may do in a project: each holds what the one before it does.
enum class Role : std::uint8_t { viewer, editor, admin };
struct ProjectAccess {
  std::string project;
  Role role = Role::viewer;
  bool operator==(const ProjectAccess&) const = default;
};

// A person of an organization, whose permissions bound every authorization in their name, as they are now.
struct User {
  std::string id;  // user_…
  std::string organization{kDefaultOrganization};
  std::string name;
  std::string email;                    // empty: not said
  bool administrator = false;           // of the organization: admin of every project
  std::vector<ProjectAccess> projects;  // each project once
  bool enabled = true;
  std::int64_t created = 0;
  std::int64_t updated = 0;
  std::uint64_t version = 0;
};

// How many calls may be made; absent: any number.
struct Budget {
  std::optional<std::uint64_t> total;
  std::optional<std::uint64_t> writes;  // of methods other than GET, HEAD and OPTIONS
  bool operator==(const Budget&) const = default;
};

// Numbers of calls: of all, and of those that write.
struct Calls {
  std::uint64_t total = 0;
  std::uint64_t writes = 0;
  bool operator==(const Calls&) const = default;
};

// How much of an authorization's budget was taken: for calls that were made, and in blocks for calls to come. What has
// no limit is not counted.
struct Spent {
  std::string organization;  // of the authorization
  std::string id;            // tok_…, the authorization's
  Calls calls;
  std::uint64_t version = 0;
};

// What a caller or an administrator holds. Of the token only an HMAC under a data key is stored.
struct Authorization {
  std::string id;            // tok_…
  std::string organization;  // empty: a system authorization
  std::string project;       // empty: every project of the organization
  std::string user;          // whose permissions bound it (user_…), or a name that stands for nobody we know
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
  std::optional<std::vector<ProjectAccess>> projects;  // each project once; absent: as `project` says, as an admin
  std::optional<std::vector<std::string>> paths;       // prefixes; absent: what the connection allows; empty: nothing
  Budget budget;                                       // of it and of all that it makes
  std::string run;                                     // what it was made for, for people; empty: not said
  std::uint64_t version = 0;
};

// One line each that is safe to log: ids, kinds and field names, never a value, an alias, a name or a digest.
std::string describe(const Connection& connection);
std::string describe(const Credential& credential);
std::string describe(const Authorization& authorization);
std::string describe(const AuthConfig& auth_config);
std::string describe(const Intent& intent);
std::string describe(const Link& link);
std::string describe(const Previous& previous);
std::string describe(const KeptAnswer& answer);
std::string describe(const User& user);
std::string describe(const AuthorityRecord& authority);

}  // namespace postern::vault
