#pragma once
// What tokens that are fetched need of the vault: auth configs, refreshes that no crash can lose, links, and who is
// due. Vault::tokens() is the way here.
//
// Purpose: DESIGN section 7, points 3 to 5: a token request is written down before it is sent, and its outcome is one
// durable batch that counts only while nothing newer is there. Nothing here talks to a provider.
// Thread safety: any thread; all of it may block on the disk. Ownership: results are copies.
// Absence: `not_found`, also for ids of another organization or project. Errors besides those named: as every call of
// vault.hpp (io, read_only, corrupt). After `io` a write may have happened or not: read again before anything else.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vault/audit.hpp"
#include "vault/error.hpp"
#include "vault/record.hpp"

namespace postern::vault {

struct Space {  // the scope of a lookup
  std::string_view organization = kDefaultOrganization;
  std::string_view project = kDefaultProject;
};

struct AuthConfigQuery {
  std::string organization{kDefaultOrganization};
  std::string project;  // its own ones and those of all projects; empty: every one of the organization
  std::string after;    // id to continue behind; empty: from the start
  std::size_t limit = 100;
  std::string provider;       // only of this one; empty: of all
  bool with_disabled = true;  // false: only those that are enabled
};
struct AuthConfigPage {
  std::vector<AuthConfig> data;  // by id
  bool has_more = false;
};

// What a connection's status is to be.
struct StatusChange {
  Status status = Status::active;
  std::string reason = {};                 // machine readable; empty: nothing is wrong
  std::string text = {};                   // for people; never a secret
  std::optional<std::int64_t> touch = {};  // Connection::touch from now on; absent: as it is
};

// What a token answer said besides the tokens.
struct Outcome {
  std::string account = {};          // empty: as it is
  std::int64_t expires = 0;          // Connection::expires from now on
  std::int64_t refresh_expires = 0;  // Connection::refresh_expires
  std::int64_t touch = 0;            // Connection::touch
};

struct Due {
  std::int64_t at = 0;  // Connection::touch, or else `expires`
  std::string cursor;   // for due(), to go on behind it
  Connection connection;
};

class TokenBook {
 public:
  virtual ~TokenBook() = default;

  // Fills id (unless given: ac_ and 20 characters), created, updated, status_since, version. Errors: exists (the id is
  // taken in the organization), invalid (names the field: organization and project are there, provider and auth are
  // references, the status is active or error, 256 KiB in all).
  virtual Result<AuthConfig> create_auth_config(AuthConfig auth_config, const Beside& beside = {}) = 0;
  // Within the organization: that project's own or one of all projects; with an empty project any.
  virtual Result<AuthConfig> find_auth_config(Space space, std::string_view id) const = 0;
  // `limit` is taken as 1 to 1000.
  virtual Result<AuthConfigPage> list_auth_configs(const AuthConfigQuery& query) const = 0;
  // Compare-and-set on version; organization, project, id, provider, auth, created cannot change. A status that changes
  // is dated unless the caller did. Errors: not_found, conflict, invalid.
  virtual Result<AuthConfig> update_auth_config(AuthConfig auth_config, const Beside& beside = {}) = 0;
  // Found as by find_auth_config(). expected_version 0: whatever it is. Errors: not_found, conflict, exists (there are
  // connections that use it: connections_of() names them).
  virtual Result<void> erase_auth_config(Space space, std::string_view id, std::uint64_t expected_version,
                                         const Beside& beside = {}) = 0;
  // The first of the connections that use it, by id; ConnectionQuery::auth_config is the way to all.
  virtual Result<std::vector<Connection>> connections_of(const AuthConfig& auth_config, std::size_t limit) const = 0;

  // A refresh: begin, send the request, then finish or fail. The intent is durable before begin answers: no write, no
  // refresh. `spent`: the refresh token that the request spends; null: none. Errors: not_found, conflict
  // (meta.generation is not the current one, the connection was revoked, or an intent of that generation is pending).
  virtual Result<Intent> begin_refresh(const Connection& meta, std::string_view holder, const Secret* spent) = 0;
  // A pending intent, for whoever is sure that its holder is no more: the same record under a new id, so that the
  // outcome of the old one does not count. Errors: not_found (it is not pending any more), conflict (it is another's by
  // now, or its generation is over).
  virtual Result<Intent> take_over(const Intent& pending, std::string_view holder) = 0;
  // Whether this is the refresh token that the intent spends.
  virtual bool spends(const Intent& intent, const Secret& token) const = 0;
  // One durable batch: the tokens as generation + 1, the metadata (ACTIVE without reason or text, `more`,
  // last_refresh), the intent gone. `tokens` is whole: what it does not hold is forgotten; what it says of its
  // generation is not looked at. Whatever else was changed of the connection meanwhile stays (its name, enabled).
  // Errors: not_found (the connection is gone), conflict (intent or generation is another by now, or the connection was
  // revoked: the tokens do not count), invalid (256 KiB in all; the intent stays).
  virtual Result<Connection> finish_refresh(const Intent& intent, const Credential& tokens, const Outcome& more,
                                            const Beside& beside = {}) = 0;
  // The outcome of a refresh that brought nothing: status, reason and text as told (also ACTIVE, where it goes on with
  // the old token), the intent gone, generation as it was. Errors: not_found, conflict (as above).
  virtual Result<Connection> fail_refresh(const Intent& intent, const StatusChange& change,
                                          const Beside& beside = {}) = 0;
  // Intents of all organizations behind `after` (cursor_of() of the last one; empty: from the start), at most `limit`.
  virtual Result<std::vector<Intent>> pending_intents(std::string_view after, std::size_t limit) const = 0;

  // Sets the status while the credential is of `generation`; in its own project, by id. Errors: not_found, conflict (it
  // was rotated or refreshed since: what was found out was about another token).
  virtual Result<Connection> set_status(Space space, std::string_view id, std::uint64_t generation,
                                        const StatusChange& change, const Beside& beside = {}) = 0;

  // Connections of all organizations that are ACTIVE and whose time (Connection::touch, or else `expires`; those with
  // neither have none) is before `before_ms`, the earliest first, behind `after` (Due::cursor; empty: from the start),
  // at most `limit` (1 to 1000). Disabled ones are among them: whether they are left alone is the caller's to say.
  virtual Result<std::vector<Due>> due(std::int64_t before_ms, std::string_view after, std::size_t limit) const = 0;

  // Fills id, created, expires (unless given: 10 minutes from now), version; its state comes with update_link().
  // Errors: invalid (names the field: the project is there; 256 KiB in all).
  virtual Result<Link> create_link(Link link, const Beside& beside = {}) = 0;
  virtual Result<Link> find_link(Space space, std::string_view id) const = 0;
  // For a page that a browser opens: it knows the id and nothing else.
  virtual Result<Link> find_link(std::string_view id) const = 0;
  virtual Result<Link> find_link_by_state(std::string_view state) const = 0;
  // Compare-and-set on version; organization, project, id, requested_by, created, expires cannot change. With a `state`
  // the link is found by that one from now on and by no other; with an empty state_digest by none. Errors: not_found,
  // conflict, exists (the state is another link's), invalid.
  virtual Result<Link> update_link(Link link, std::string_view state = {}, const Beside& beside = {}) = 0;
  virtual Result<void> erase_link(Space space, std::string_view id, const Beside& beside = {}) = 0;
  // Erases links of all organizations that expired more than an hour before `now_ms`, at most 1000 at a time; answers
  // how many.
  virtual Result<std::size_t> sweep_links(std::int64_t now_ms) = 0;
};

// For TokenBook::pending_intents(), to go on behind this one.
std::string cursor_of(const Intent& intent);
const char* to_string(LinkStatus status);  // "PENDING" …

}  // namespace postern::vault
