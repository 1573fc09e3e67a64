#pragma once
// What a caller sends about a connection, read and checked; and what a provider makes of it.
// Holds secret values: wiped when it dies. Nothing of a value is ever repeated in a mistake.
#include <boost/json/object.hpp>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/catalog.hpp"
#include "proxy/admin/body.hpp"
#include "proxy/admin/routes.hpp"
#include "proxy/grants/records.hpp"
#include "vault/record.hpp"

namespace postern::admin {

struct ConnectionInput {
  ConnectionInput() = default;
  ConnectionInput(const ConnectionInput&) = delete;
  ConnectionInput& operator=(const ConnectionInput&) = delete;
  ~ConnectionInput();

  std::optional<std::string> app, type, auth, name, alias, owner;
  std::optional<vault::Scope> scope;
  std::optional<std::string> organization, project;
  std::optional<std::string> end_user;  // empty: null was sent
  std::optional<std::vector<std::string>> tags;
  std::optional<bool> enabled;
  std::optional<std::string> auth_config;
  // The inner one is absent where null was sent.
  std::optional<std::optional<std::vector<std::string>>> scopes, hosts;
  std::optional<boost::json::object> config;
  std::optional<std::map<std::string, std::string>> value;
};

// In either case; absent: none of them.
std::optional<vault::Scope> scope_named(std::string_view text);

// Fills `input` from the body's members of these names; every other member is a mistake.
std::vector<FieldError> read_connection_input(const boost::json::object& body,
                                              std::initializer_list<std::string_view> allowed, ConnectionInput& input);

// The provider's plan for it. `config_json` is the whole configuration, after a merge.
std::expected<config::Plan, Problem> plan(const config::Provider& provider, const ConnectionInput& input,
                                          const std::string& type, const std::string& auth,
                                          const std::string& config_json);
// The catalog's mistakes as ours, for what was sent as `input.value`.
std::vector<FieldError> to_field_errors(const std::vector<config::Error>& errors, const config::Provider& provider,
                                        const ConnectionInput& input);
// Private keys in `input.value` that nothing could be signed with.
std::vector<FieldError> unfit_keys(const config::Auth& auth, const ConnectionInput& input);
// What is stored of the values, which are moved out and wiped behind. Tokens that were pasted count from `now_ms` on.
// `id`: of the connection. Mistakes are an `expiresAt` that is no time, and a certificate that cannot be shown.
std::expected<grants::Kept, Problem> take_credential(const config::Auth& auth, ConnectionInput& input,
                                                     std::int64_t now_ms, std::string_view id);
// RFC 7396: members given replace, null removes.
std::string merge_config(const std::string& stored, const boost::json::object& patch);

std::vector<vault::Destination> to_destinations(const std::vector<config::HostPattern>& hosts);
std::vector<config::HostPattern> to_patterns(const std::vector<vault::Destination>& destinations);

}  // namespace postern::admin
