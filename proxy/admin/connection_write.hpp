#pragma once
// What the routes that make and change connections share: who may, under which auth config, with which alias; and that
// everyone is told. Runs in the admin thread or on its helpers'; the vault settles races.
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/admin/connection_input.hpp"
#include "proxy/admin/connection_text.hpp"

namespace postern::admin {

// `tested`: of a rotation, whether the new value was tried at the service.
Response connection_response(const vault::Connection& connection, unsigned status, bool declared = false,
                             std::optional<bool> tested = std::nullopt);
// Every worker has forgotten it when this returns, and what renews tokens looks at it again.
void announce(Service& service, const vault::Connection& connection, bool ended);
// The same for whatever an auth config concerns.
void announce(Service& service, const vault::AuthConfig& auth_config);

// Only what the caller's permission covers may be made: what is for the organization needs it as a whole, and a
// connection belongs to the caller or to nobody.
std::vector<FieldError> beyond_scope(const Caller& caller, const vault::Connection& meta);
inline constexpr const char* kNotYours = "Your role where this connection belongs does not allow this.";
// A personal connection is changed by its owner alone; others may disable or delete it.
bool is_foreign_personal(const Caller& caller, const vault::Connection& meta);
// Stored, where the caller may write, and of the version that If-Match names.
std::expected<FoundConnection, Problem> find_changeable(Service& service, const Call& call);

bool is_declared_alias(const Service& service, std::string_view alias);
// The vault chooses an alias by what it stores; where a file has declared the provider's own, we choose.
std::string free_alias(const Service& service, const vault::Connection& meta);
std::unexpected<Problem> alias_taken();

// `pointer` names the field in the refusal.
std::expected<std::shared_ptr<const config::Provider>, Problem> find_provider(const Service& service,
                                                                              const std::optional<std::string>& id,
                                                                              const char* pointer = "/app");

// A connection's plan under its auth config (absent: it has none): the operator's variables and hosts are in it.
struct Planned {
  config::Plan plan;
  std::optional<vault::AuthConfig> app;
};
// Without input.value nothing is asked of it: it comes later, by a link.
std::expected<Planned, Problem> plan_new(const Service& service, const Caller& caller, const config::Provider& provider,
                                         const ConnectionInput& input);
// The auth config of a stored connection, or of a link; absent: it has none, or it is gone.
std::optional<vault::AuthConfig> auth_config_of(const Service& service, const vault::Connection& meta);
std::optional<vault::AuthConfig> auth_config_of(const Service& service, const vault::Link& link);

vault::Connection new_connection(const Caller& caller, const ConnectionInput& input, const config::Provider& provider,
                                 const Planned& planned);
// take_credential(), and a key that nothing could be signed with is refused. `auth`: the entry that `meta` names.
std::expected<grants::Kept, Problem> accept_value(const Service& service, const config::Provider& provider,
                                                  const config::Auth& auth, const vault::Connection& meta,
                                                  ConnectionInput& input);
// Its tokens are given back to the service, or nothing has changed (502 revoke-failed). Waits for the network.
std::expected<void, Problem> give_back_first(const Service& service, vault::Connection meta);

// Tries a value that is not stored yet. False: there is nothing to try it with. Errors: value-rejected (the service's
// word), test-inconclusive (it said nothing about the value). Waits for the network.
std::expected<bool, Problem> try_value(const Service& service, const vault::Connection& meta,
                                       const vault::Credential& credential);

// What the tokens say of the connection.
void set_token_facts(vault::Connection& meta, const grants::Kept& kept);

}  // namespace postern::admin
