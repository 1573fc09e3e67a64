// A stored connection with other variables or another value: where its secret may go, and what becomes of the old one.
#include "proxy/admin/connection_change.hpp"

#include <algorithm>

#include "proxy/admin/auth_config_text.hpp"
#include "proxy/admin/connection_write.hpp"

namespace postern::admin {
namespace {

using vault::Connection;

bool alike_in(const std::vector<std::string>& variables, const config::Plan& a, const config::Plan& b) {
  return std::all_of(variables.begin(), variables.end(), [&](const std::string& name) {
    const auto before = a.variables.find(name), after = b.variables.find(name);
    return (before == a.variables.end()) == (after == b.variables.end()) &&
           (before == a.variables.end() || before->second == after->second);
  });
}

// The same places, names and templates, the same variables in them, and the same endpoints: the secret would go where
// it goes today.
bool goes_alike(const config::Provider& provider, const config::Plan& a, const config::Plan& b) {
  const auto& oauth = provider.auth.at(b.auth).oauth;
  for (const config::Template* url : oauth ? oauth->endpoints() : std::vector<const config::Template*>())
    if (!alike_in(url->variables(), a, b)) return false;
  const auto alike = [](const config::InjectRule& x, const config::InjectRule& y) {
    return x.place == y.place && x.name == y.name && x.value.text() == y.value.text();
  };
  if (!std::equal(a.inject.begin(), a.inject.end(), b.inject.begin(), b.inject.end(), alike)) return false;
  return std::all_of(a.inject.begin(), a.inject.end(),
                     [&](const config::InjectRule& rule) { return alike_in(rule.value.variables(), a, b); });
}

}  // namespace

std::expected<bool, Problem> replan(Service& service, const ConnectionInput& input, Connection& meta) {
  const auto app = auth_config_of(service, meta);
  auto provider = service.deps.catalog()->find(meta.app);
  if (!provider)
    return refuse("invalid-request", "The provider of this connection is no longer in the catalog; put it back first.");
  const std::string config = input.config ? merge_config(meta.config, *input.config) : meta.config;
  auto planned = plan(*provider, input, meta.type, meta.auth, config);
  if (!planned) return std::unexpected(planned.error());
  if (app) planned->destinations = narrowed(planned->destinations, app->hosts);
  const auto stored = config::plan_stored(*provider, meta.auth, meta.config);
  const bool moves = !stored || !goes_alike(*provider, *stored, *planned) ||
                     !config::destinations_within(planned->destinations, to_patterns(meta.destinations));
  if (!input.value && moves) {
    auto refusal = refuse("secret-required",
                          "This change would let the secret go to other places: send `value` in the same call.");
    refusal.error().errors.push_back({.pointer = "/value",
                                      .parameter = "",
                                      .detail = "Needed for new or wider destinations, and for another injection."});
    return refusal;
  }
  if (planned->destinations.empty()) {
    return refuse_fields(
        {{.pointer = "/config", .parameter = "", .detail = "The auth config's hosts leave none of these."}});
  }
  meta.config = planned->config_json;
  meta.destinations = to_destinations(planned->destinations);
  return moves;
}

std::int64_t kept_by_default(const Service& service) {
  return service.deps.settings()->keep_old.count();
}

std::expected<vault::Credential, Problem> take_value(const Service& service, ConnectionInput& input, Connection& meta) {
  // replan() has found the entry.
  const auto provider = service.deps.catalog()->find(meta.app);
  auto kept = accept_value(service, *provider, provider->auth.at(meta.auth), meta, input);
  if (!kept) return std::unexpected(kept.error());
  if (meta.status != vault::Status::active) meta.status_since = service.deps.now_ms();
  meta.status = vault::Status::active;
  meta.status_reason.clear();
  meta.status_text.clear();
  set_token_facts(meta, *kept);
  return std::move(kept->credential);
}

Answer change(Service& service, ConnectionInput& input, Connection meta, std::int64_t keep_ms,
              const vault::Beside& beside) {
  const bool ended = !meta.enabled;
  vault::Result<Connection> written;
  if (input.value) {
    const auto credential = take_value(service, input, meta);
    if (!credential) return std::unexpected(credential.error());
    meta.previous_until = keep_ms == 0 ? 0 : service.deps.now_ms() + keep_ms;
    written = service.deps.vault->rotate_credential(std::move(meta), *credential, beside);
  } else {
    written = service.deps.vault->update_connection(std::move(meta), beside);
  }
  if (!written) return std::unexpected(vault_problem(written.error()));
  announce(service, *written, ended);
  return connection_response(*written, 200);
}

}  // namespace postern::admin
