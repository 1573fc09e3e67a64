#include "proxy/serve/load.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include <algorithm>

#include "config/sign.hpp"
#include "proxy/grants/client_certificate.hpp"
#include "proxy/grants/records.hpp"
#include "proxy/wire/rewrite.hpp"

namespace postern::serve {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return out;
}

std::shared_ptr<const Declared> find_declared(const Source& source, vault::Space space, std::string_view reference) {
  const auto declared = source.declared();
  for (const auto& d : *declared) {
    if (d->meta.organization == space.organization && d->meta.project == space.project &&
        (d->meta.id == reference || d->meta.alias == reference)) {
      return d;
    }
  }
  return nullptr;
}

void add_place(inject::Place place, const std::string& name, Shape& known) {
  switch (place) {
    case inject::Place::header:
      known.strip_fields.push_back(lower(name));
      break;
    case inject::Place::query:
      known.strip_query.push_back(name);
      break;
    case inject::Place::cookie:
      known.strip_cookies.push_back(name);
      break;
    case inject::Place::path:
      known.path_rule = true;
      break;
    case inject::Place::form:
    case inject::Place::json:
      break;  // the injection replaces them in the body
  }
}

// Where a signer writes depends on what it is told: one is made with values that are none, and asked.
void collect_places_of(std::string_view scheme, const std::map<std::string, std::string>& options,
                       const std::vector<std::string>& fields, Shape& known) {
  inject::Recipe recipe{.options = options, .placeholder = std::string(kPlaceholder)};
  for (const std::string& name : fields) recipe.values.emplace(name, vault::Secret(kPlaceholder));
  const auto made = inject::make_injection(scheme, std::move(recipe));
  if (!made) return;  // nor will one be made to send something
  for (const auto& spot : (*made)->spots()) add_place(spot.place, spot.name, known);
}

// Every place any auth entry of the provider writes to, and those of this connection (the generic provider's are its
// own).
void collect_places(const config::Provider& provider, Shape& known) {
  const auto add = [&](const config::InjectRule& rule) {
    add_place(static_cast<inject::Place>(rule.place), rule.name, known);
  };
  for (const auto& [name, auth] : provider.auth) std::for_each(auth.inject.begin(), auth.inject.end(), add);
  for (const auto& [name, auth] : provider.auth) {
    if (!auth.sign) continue;
    std::vector<std::string> fields;
    for (const auto& [field, value] : auth.sign->with) fields.push_back(field);
    if (fields.empty())
      for (const auto& [field, spec] : auth.fields) fields.push_back(field);
    collect_places_of(auth.sign->scheme, config::expand_sign(*auth.sign, known.plan.variables), fields, known);
  }
  if (!known.plan.scheme.empty()) collect_places_of(known.plan.scheme, known.plan.sign, known.plan.required, known);
  std::for_each(known.plan.inject.begin(), known.plan.inject.end(), add);
  for (const std::string& name : provider.pass) known.pass.push_back(lower(name));
}

void forbid_endpoint(Shape& known, std::string_view text) {
  const auto url = boost::urls::parse_uri(text);
  if (!url) return;
  std::string path(std::string_view(url->encoded_path()));
  while (path.ends_with('/')) path.pop_back();
  if (!path.empty())
    known.forbidden.emplace_back(lower(std::string_view(url->host_address())), lower(wire::percent_decode(path)));
}

void forbid_endpoints(const config::Provider& provider, Shape& known) {
  for (const auto& [name, auth] : provider.auth) {
    if (!auth.oauth) continue;
    for (const config::Template* url : auth.oauth->endpoints()) {
      const auto text = url->expand([&](std::string_view variable) -> std::optional<std::string_view> {
        const auto at = known.plan.variables.find(std::string(variable));
        return at == known.plan.variables.end() ? std::nullopt : std::optional<std::string_view>(at->second);
      });
      if (text) forbid_endpoint(known, *text);
    }
  }
}

// What was sealed with the secret bounds it for good; an entry that has changed since may only narrow it (DESIGN
// section 8).
void narrow(Known& known) {
  std::vector<config::HostPattern> sealed;
  for (const vault::Destination& d : known.meta.destinations) sealed.push_back({d.host, false, d.port, d.path_prefix});
  if (config::destinations_within(sealed, known.plan.destinations)) return;
  known.meta.destinations.clear();
  for (const auto& d : config::destinations_in_both(sealed, known.plan.destinations))
    known.meta.destinations.push_back({d.host, d.port, d.path_prefix});
}

void read_base_url(Shape& known) {
  const auto url = boost::urls::parse_uri(known.plan.base_url);
  if (!url) return;
  known.base_host = lower(std::string_view(url->host_address()));
  known.base_port = url->has_port() && url->port_number() != 0 ? url->port_number() : 443;
  known.base_path = std::string_view(url->encoded_path());
  while (known.base_path.ends_with('/')) known.base_path.pop_back();
}

}  // namespace

vault::Result<std::shared_ptr<const Shape>> Shapes::of(const std::shared_ptr<const config::Provider>& provider,
                                                       const vault::Connection& meta) {
  constexpr std::size_t kMost = 256, kLongestKey = 1024;
  const std::string key = meta.app + '\n' + meta.auth + '\n' + meta.config;
  {
    const std::scoped_lock lock(mutex_);
    if (const auto at = rows_.find(key); at != rows_.end() && at->second.provider == provider) return at->second.shape;
  }
  auto plan = config::plan_stored(*provider, meta.auth, meta.config);
  if (!plan) return vault::fail(vault::Error::Code::invalid, "connection " + meta.id + ": " + plan.error().text());
  auto shape = std::make_shared<Shape>();
  shape->plan = std::move(*plan);
  collect_places(*provider, *shape);
  forbid_endpoints(*provider, *shape);
  shape->path_rule = shape->path_rule || !shape->forbidden.empty();
  read_base_url(*shape);
  if (const auto auth = provider->auth.find(meta.auth); auth != provider->auth.end() && auth->second.oauth)
    shape->refused_challenge = auth->second.oauth->refused_challenge;
  if (key.size() > kLongestKey) return shape;
  const std::scoped_lock lock(mutex_);
  if (rows_.size() >= kMost) rows_.clear();
  rows_.insert_or_assign(key, Row{provider, shape});
  return shape;
}

namespace {

// What an auth config says to its connections: whether they may go, and where at most.
vault::Result<void> apply_app(const Source& source, Known& known) {
  if (known.meta.auth_config.empty()) return {};
  const auto app =
      source.tokens().find_auth_config({known.meta.organization, known.meta.project}, known.meta.auth_config);
  if (!app && app.error().code != vault::Error::Code::not_found) return std::unexpected(app.error());
  known.app_disabled = !app || !app->enabled;
  if (!app || !app->hosts) return {};
  std::erase_if(known.meta.destinations, [&](const vault::Destination& to) {
    return std::none_of(app->hosts->begin(), app->hosts->end(), [&](const std::string& host) {
      return host == to.host || host == to.host + ':' + std::to_string(to.port);
    });
  });
  return {};
}

}  // namespace

vault::Result<Known> load_connection(const Source& source, vault::Space space, const std::string& reference) {
  Known known;
  known.declared = find_declared(source, space, reference);
  if (known.declared) {
    known.meta = known.declared->meta;
  } else {
    auto meta = source.vault().find_connection(space, reference);
    if (!meta) return std::unexpected(meta.error());
    known.meta = std::move(*meta);
  }
  const auto provider = source.catalog()->find(known.meta.app);
  if (!provider)
    return vault::fail(vault::Error::Code::invalid,
                       "connection " + known.meta.id + ": the catalog has no provider " + known.meta.app);
  const auto shape = source.shapes().of(provider, known.meta);
  if (!shape) return std::unexpected(shape.error());
  static_cast<Shape&>(known) = **shape;
  const auto& types = config::oauth_types();
  known.fetched = std::find(types.begin(), types.end(), known.meta.type) != types.end();
  known.bound = config::is_bound_type(known.meta.type);
  known.answers_challenges = known.plan.scheme == "digest";
  if (auto applied = apply_app(source, known); !applied) return std::unexpected(applied.error());
  narrow(known);
  known.path_rule = known.path_rule || std::any_of(known.meta.destinations.begin(), known.meta.destinations.end(),
                                                   [](const auto& d) { return !d.path_prefix.empty(); });
  return known;
}

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
  if (!known.plan.scheme.empty()) recipe.values = grants::signing_values(known.plan.sign_with, credential);
  auto made = make_injection(known, std::move(recipe));
  if (!made) return std::unexpected(made.error());
  prepared.injection = std::move(*made);
  return prepared;
}

std::optional<std::string> why_unsignable(const config::Plan& plan, const vault::Credential& credential) {
  if (plan.scheme.empty() || !plan.sign_with.empty()) return std::nullopt;
  inject::Recipe recipe;
  recipe.options = plan.sign;
  recipe.values = grants::signing_values({}, credential);
  const auto made = inject::make_injection(plan.scheme, std::move(recipe));
  return made ? std::nullopt : std::optional(made.error());
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
