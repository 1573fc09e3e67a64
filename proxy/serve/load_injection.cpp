// What goes out for a connection: its credential opened, and the injection and the TLS identity that are made of it.
#include <algorithm>

#include "proxy/grants/client_certificate.hpp"
#include "proxy/serve/load.hpp"
#include "proxy/wire/field.hpp"

namespace postern::serve {
namespace {

// The stored credential, or the one that could not be stored yet.
vault::Result<vault::Credential> open_credential(const Source& source, const Known& known) {
  if (const auto unsaved = source.unsaved().find(known.meta.id, known.meta.generation)) {
    vault::Credential copy{known.meta.generation + 1, {}, unsaved->times};
    for (const auto& [name, value] : unsaved->values) copy.values.emplace(name, value.clone());
    return copy;
  }
  return source.vault().open_credential(known.meta);
}

// What an entry's rules may name of its auth config ("${clientId}"); nothing without one.
vault::Result<grants::Values> app_values(const Source& source, const Known& known) {
  grants::Values values;
  if (!known.fetched || known.meta.auth_config.empty()) return values;
  const auto app =
      source.tokens().find_auth_config({known.meta.organization, known.meta.project}, known.meta.auth_config);
  if (!app) return std::unexpected(app.error());
  for (const auto& [name, value] : app->values) values.set(name, value.clone());
  return values;
}

vault::Result<std::shared_ptr<const inject::Injection>> make_injection(const Known& known, inject::Recipe recipe) {
  if (!config::is_served_type(known.meta.type))
    return vault::fail(vault::Error::Code::invalid,
                       "connection " + known.meta.id + ": no injection serves type " + known.meta.type);
  recipe.options = known.plan.sign;
  auto made = inject::make_injection(known.plan.scheme, std::move(recipe));
  if (!made) return vault::fail(vault::Error::Code::invalid, "connection " + known.meta.id + ": " + made.error());
  return std::move(*made);
}

}  // namespace

vault::Result<Prepared> load_injection(const Source& source, const Known& known) {
  vault::Result<vault::Credential> opened = vault::Credential{};
  if (!known.declared) opened = open_credential(source, known);
  if (!opened) return std::unexpected(opened.error());
  const vault::Credential& credential = known.declared ? known.declared->credential : *opened;
  Prepared prepared;
  if (known.meta.type == grants::kCertificateType) {
    auto identity = grants::read_client_certificate(credential.values);
    if (!identity)
      return vault::fail(vault::Error::Code::invalid,
                         "connection " + known.meta.id + ": " + identity.error().field + ": " + identity.error().text);
    prepared.identity = std::move(*identity);
  }
  for (const auto& [name, value] : credential.values)
    if (!prepared.identity || !grants::is_shown_in_handshake(name)) prepared.secrets.push_back(value.clone());
  if (known.fetched) {
    prepared.age = TokenAge::of(credential, grants::moment(source.now_ms()), known.meta.id);
    const auto token = credential.values.find("accessToken");
    if (token == credential.values.end() || token->second.empty()) return prepared;
  }
  const auto app = app_values(source, known);
  if (!app) return std::unexpected(app.error());
  const auto lookup = [&](std::string_view name) -> std::optional<std::string_view> {
    if (const auto at = credential.values.find(std::string(name)); at != credential.values.end())
      return at->second.expose();
    if (const vault::Secret* value = app->find(name)) return value->expose();
    if (const auto at = known.plan.variables.find(std::string(name)); at != known.plan.variables.end())
      return at->second;
    return std::nullopt;
  };
  inject::Recipe recipe;
  for (const config::InjectRule& rule : known.plan.inject) {
    std::optional<std::string> value = rule.value.expand(lookup);
    if (!value)
      return vault::fail(
          vault::Error::Code::invalid,
          "connection " + known.meta.id + ": a variable of its injection has no value; rotate it with all fields");
    const auto& used = rule.value.variables();
    const bool secret =
        std::any_of(used.begin(), used.end(), [&](const auto& name) { return credential.values.contains(name); });
    recipe.rules.push_back({static_cast<inject::Place>(rule.place), rule.name, vault::Secret::take(*value), secret});
  }
  if (!known.plan.scheme.empty())
    for (const auto& [name, value] : credential.values) recipe.values.emplace(name, value.clone());
  auto made = make_injection(known, std::move(recipe));
  if (!made) return std::unexpected(made.error());
  prepared.injection = std::move(*made);
  return prepared;
}

vault::Result<std::shared_ptr<const inject::Injection>> placeholder_injection(const Known& known) {
  inject::Recipe recipe;
  recipe.placeholder = kPlaceholder;
  for (const std::string& name : known.plan.required) recipe.values.emplace(name, vault::Secret(kPlaceholder));
  for (const config::InjectRule& rule : known.plan.inject) {
    // Of the literal text only a scheme ("Bearer ") is kept: what else a connection's own rules hold is not for
    // everybody who may use it.
    const auto& parts = rule.value.parts();
    const std::string_view first = parts.empty() ? std::string_view() : std::string_view(parts.front().literal);
    const bool scheme = rule.place == config::Place::header && parts.size() > 1 && first.ends_with(' ') &&
                        wire::is_token(first.substr(0, first.size() - 1));
    std::string value(scheme ? first : rule.place == config::Place::path ? "/" : "");
    value.append(kPlaceholder);
    recipe.rules.push_back({static_cast<inject::Place>(rule.place), rule.name, vault::Secret::take(value), false});
  }
  return make_injection(known, std::move(recipe));
}

}  // namespace postern::serve
