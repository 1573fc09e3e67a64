#include "proxy/admin/connection_input.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>

#include "proxy/grants/client_certificate.hpp"
#include "proxy/grants/jwt.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostText = 200;
constexpr std::size_t kMostValue = 64 * 1024;
constexpr std::size_t kMostFields = 64;
constexpr std::size_t kShortestSecret = 4;  // what is shorter is part of any sentence

// As a caller writes the end of a token: a time, or Unix seconds.
std::optional<std::int64_t> parse_moment(std::string_view text) {
  constexpr std::size_t kMostDigits = 12;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size()) return parse_time(text);
  if (seconds < 0 || text.size() > kMostDigits) return std::nullopt;
  return seconds * 1000;
}

// app, provider and toolkitSlug are one thing under three names.
void read_app(FieldReader& reader, ConnectionInput& input) {
  for (const char* name : {"app", "provider", "toolkitSlug"}) {
    auto value = reader.text(name, 64);
    if (!value) continue;
    if (input.app && *input.app != *value)
      reader.mistake(name, "Names another provider than the other fields do.");
    else
      input.app = std::move(value);
  }
}

void read_scope(FieldReader& reader, ConnectionInput& input) {
  const auto text = reader.text("scope", 32);
  if (!text) return;
  input.scope = scope_named(*text);
  if (!input.scope) reader.mistake("scope", "Has to be PERSONAL, PROJECT or ORGANIZATION.");
}

void read_alias(FieldReader& reader, ConnectionInput& input) {
  input.alias = reader.text("alias", 64);
  if (input.alias && (!vault::is_reference(*input.alias) || vault::looks_like_id(*input.alias)))
    reader.mistake("alias", "Has to be 1 to 64 letters, digits, '-' or '_', and not look like an id.");
}

void read_value(FieldReader& reader, ConnectionInput& input) {
  const auto* object = reader.object("value");
  if (object == nullptr) return;
  auto& value = input.value.emplace();
  if (object->size() > kMostFields) return reader.mistake("value", "Has too many fields.");
  for (const auto& member : *object) {
    const std::string name(member.key());
    const auto* text = member.value().if_string();
    if (text == nullptr || text->size() > kMostValue) {
      reader.mistake(is_plain_name(name) ? "value/" + name : "value", "Has to be a string of at most 65536 bytes.");
    } else {
      value.emplace(name, std::string_view(*text));
    }
  }
}

// Whose it is goes with it as the account: nothing else shows which certificate a connection holds.
std::expected<grants::Kept, Problem> take_certificate(vault::Credential given, std::int64_t now_ms) {
  const auto identity = grants::accept_client_certificate(given.values, now_ms);
  if (!identity)
    return refuse_fields(
        {{.pointer = "/value/" + identity.error().field, .parameter = "", .detail = identity.error().text}});
  std::string account = (*identity)->subject();
  if (account.size() > kMostText) account.clear();
  return grants::Kept{.credential = std::move(given), .account = std::move(account)};
}

bool repeats_secret(const std::string& text, const std::map<std::string, std::string>& value) {
  return std::any_of(value.begin(), value.end(), [&](const auto& field) {
    return field.second.size() >= kShortestSecret && text.find(field.second) != std::string::npos;
  });
}

}  // namespace

// A name in `value` that is not a field may be the secret itself, and is not repeated; that no message repeats a value
// is promised by the catalog and made sure of here.
std::vector<FieldError> to_field_errors(const std::vector<config::Error>& errors, const config::Provider& provider,
                                        const ConnectionInput& input) {
  constexpr std::string_view kValue = "/value/";
  std::vector<FieldError> out;
  for (const auto& error : errors) {
    FieldError one{.pointer = error.pointer, .parameter = "", .detail = error.message};
    if (input.value && repeats_secret(one.detail, *input.value)) one.detail = "This value is not accepted here.";
    const bool field = std::any_of(provider.auth.begin(), provider.auth.end(), [&](const auto& entry) {
      if (!one.pointer.starts_with(kValue)) return false;
      const std::string name = one.pointer.substr(kValue.size());
      return entry.second.fields.contains(name) || entry.second.app_fields.contains(name);
    });
    if (one.pointer.starts_with(kValue) && !field) {
      one.pointer = "/value";
      one.detail = "There is a field here that the provider does not have; GET /api/v1/providers/" + provider.id +
                   " names its fields.";
    }
    out.push_back(std::move(one));
  }
  return out;
}

std::optional<vault::Scope> scope_named(std::string_view text) {
  using vault::Scope;
  for (const Scope scope : {Scope::personal, Scope::project, Scope::organization})
    if (lower(text) == lower(vault::to_string(scope))) return scope;
  return std::nullopt;
}

ConnectionInput::~ConnectionInput() {
  if (!value) return;
  for (auto& field : *value) vault::wipe(field.second);
}

std::vector<FieldError> read_connection_input(const json::object& body, std::initializer_list<std::string_view> allowed,
                                              ConnectionInput& input) {
  FieldReader reader(body);
  reader.refuse_unknown(allowed);
  auto may = [&](std::string_view name) { return std::find(allowed.begin(), allowed.end(), name) != allowed.end(); };
  if (may("app")) read_app(reader, input);
  if (may("type")) input.type = reader.text("type", 64);
  if (may("auth")) input.auth = reader.text("auth", 64);
  if (may("owner")) input.owner = reader.text("owner", 128);
  if (may("name")) input.name = reader.text("name", kMostText);
  if (may("alias")) read_alias(reader, input);
  if (may("scope")) read_scope(reader, input);
  if (may("organization")) input.organization = reader.text("organization", 64);
  if (may("project")) input.project = reader.text("project", 64);
  if (may("authConfig")) input.auth_config = reader.text("authConfig", 64);
  for (const auto& [name, list] : {std::pair("scopes", &input.scopes), std::pair("hosts", &input.hosts)}) {
    if (!may(name)) continue;
    if (reader.is_null(name)) list->emplace();
    if (auto texts = reader.texts(name, 256, 260)) list->emplace(std::move(*texts));
  }
  if (may("enabled")) input.enabled = reader.flag("enabled");
  if (may("tags")) {
    input.tags = reader.texts("tags", 32, 64);
    if (reader.is_null("tags")) input.tags.emplace();
  }
  if (may("endUser")) {
    input.end_user = reader.text("endUser", kMostText);
    if (reader.is_null("endUser")) input.end_user.emplace();
  }
  if (may("config")) {
    if (const auto* config = reader.object("config")) input.config.emplace(*config, json::storage_ptr());
  }
  if (may("value")) read_value(reader, input);
  return std::move(reader.errors);
}

std::expected<config::Plan, Problem> plan(const config::Provider& provider, const ConnectionInput& input,
                                          const std::string& type, const std::string& auth,
                                          const std::string& config_json) {
  const std::map<std::string, std::string> none;
  const auto& value = input.value ? *input.value : none;
  config::ConnectionInput asked{.type = type, .auth = auth, .value = value, .config_json = config_json};
  auto planned = config::plan_connection(provider, asked, input.value.has_value());
  for (auto& field : asked.value) vault::wipe(field.second);
  if (!planned) return refuse_fields(to_field_errors(planned.error(), provider, input));
  if (auto unfit = unfit_keys(provider.auth.at(planned->auth), input); !unfit.empty())
    return refuse_fields(std::move(unfit));
  return std::move(*planned);
}

std::vector<FieldError> unfit_keys(const config::Auth& auth, const ConnectionInput& input) {
  std::vector<FieldError> errors;
  if (!auth.oauth || !input.value) return errors;
  const auto check = [&](const config::OAuthAssertion& what) {
    const auto key = input.value->find(what.key);
    if (key == input.value->end() || key->second.empty()) return;
    const auto usable = grants::check_key(what.algorithm, vault::Secret(key->second));
    if (usable) return;
    errors.push_back({.pointer = "/value/" + what.key, .parameter = "", .detail = usable.error().text + '.'});
  };
  if (auth.oauth->assertion) check(*auth.oauth->assertion);
  if (auth.oauth->token.client_auth == config::ClientAuth::private_key_jwt) check(auth.oauth->client_assertion);
  return errors;
}

std::expected<grants::Kept, Problem> take_credential(const config::Auth& auth, ConnectionInput& input,
                                                     std::int64_t now_ms, std::string_view id) {
  vault::Credential given;
  if (input.value) {
    for (auto& field : *input.value) given.values.emplace(field.first, vault::Secret::take(field.second));
  }
  if (auth.type == grants::kCertificateType) return take_certificate(std::move(given), now_ms);
  if (auth.type != "OAUTH2") return grants::Kept{.credential = std::move(given), .account = ""};
  std::optional<std::int64_t> lifetime;
  if (const auto end = given.values.extract("expiresAt"); end && !end.mapped().empty()) {
    const auto at = parse_moment(end.mapped().expose());
    if (!at) {
      return refuse_fields({{.pointer = "/value/expiresAt",
                             .parameter = "",
                             .detail = "Has to be a time (2030-01-31T12:00:00Z) or Unix seconds."}});
    }
    lifetime = std::max<std::int64_t>(*at - now_ms, 0);
  } else if (auth.oauth->answer.default_lifetime) {
    lifetime = auth.oauth->answer.default_lifetime->count();
  }
  auto access = given.values.extract("accessToken");
  if (!access || access.mapped().empty()) {
    // Nobody knows when it was last used; from now on it is kept from growing too old.
    const auto now = grants::moment(now_ms);
    given.times = vault::TokenTimes{now.wall_ms, now.boot_ms, now.boot_id, std::nullopt, "", 0};
    const auto touch = grants::touch_of(*auth.oauth, given, id);
    return grants::Kept{.credential = std::move(given), .account = "", .touch = touch};
  }
  grants::Tokens pasted;
  pasted.access_token = std::move(access.mapped());
  pasted.lifetime_ms = lifetime;
  return grants::keep(*auth.oauth, pasted, grants::moment(now_ms), &given, id);
}

std::string merge_config(const std::string& stored, const json::object& patch) {
  boost::system::error_code error;
  json::value merged = json::parse(stored.empty() ? "{}" : stored, error);
  if (error || !merged.is_object()) merged = json::object();
  for (const auto& member : patch) {
    if (member.value().is_null())
      merged.get_object().erase(member.key());
    else
      merged.get_object()[member.key()] = member.value();
  }
  return json::serialize(merged);
}

std::vector<vault::Destination> to_destinations(const std::vector<config::HostPattern>& hosts) {
  std::vector<vault::Destination> out;
  for (const auto& host : hosts) out.push_back({.host = host.host, .port = host.port, .path_prefix = host.path_prefix});
  return out;
}

std::vector<config::HostPattern> to_patterns(const std::vector<vault::Destination>& destinations) {
  std::vector<config::HostPattern> out;
  for (const auto& to : destinations)
    out.push_back({.host = to.host, .wildcard = false, .port = to.port, .path_prefix = to.path_prefix});
  return out;
}

}  // namespace postern::admin
