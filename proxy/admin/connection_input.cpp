#include "proxy/admin/connection_input.hpp"

#include <algorithm>
#include <boost/json/array.hpp>

namespace postern::admin {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostText = 200;
constexpr std::size_t kMostValue = 64 * 1024;
constexpr std::size_t kMostFields = 64;
constexpr std::size_t kShortestSecret = 4;  // what is shorter is part of any sentence

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
  const auto scope = lower(*text);
  if (scope == "personal") input.scope = vault::Scope::personal;
  if (scope == "project") input.scope = vault::Scope::project;
  if (scope == "organization") input.scope = vault::Scope::organization;
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

bool repeats_secret(const std::string& text, const std::map<std::string, std::string>& value) {
  return std::any_of(value.begin(), value.end(), [&](const auto& field) {
    return field.second.size() >= kShortestSecret && text.find(field.second) != std::string::npos;
  });
}

// The catalog's mistakes as ours. A name in `value` that is not a field may be the secret itself, and is not repeated;
// that no message repeats a value is promised by the catalog and made sure of here.
std::vector<FieldError> to_field_errors(const std::vector<config::Error>& errors, const config::Provider& provider,
                                        const std::map<std::string, std::string>& value) {
  constexpr std::string_view kValue = "/value/";
  std::vector<FieldError> out;
  for (const auto& error : errors) {
    FieldError one{.pointer = error.pointer, .parameter = "", .detail = error.message};
    if (repeats_secret(one.detail, value)) one.detail = "This value is not accepted here.";
    const bool field = std::any_of(provider.auth.begin(), provider.auth.end(), [&](const auto& entry) {
      return one.pointer.starts_with(kValue) && entry.second.fields.contains(one.pointer.substr(kValue.size()));
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

}  // namespace

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
  if (may("authConfig") && reader.text("authConfig", 64)) {
    reader.errors.push_back({.pointer = "/authConfig",
                             .parameter = "",
                             .detail = "Static credentials have no auth config in this version; leave it out."});
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
  if (!planned) return refuse_fields(to_field_errors(planned.error(), provider, value));
  if (!config::is_served_type(planned->type)) {
    return refuse_fields({{.pointer = type.empty() ? "/auth" : "/type",
                           .parameter = "",
                           .detail = "This version makes API_KEY, BEARER, BASIC and CUSTOM connections only."}});
  }
  return std::move(*planned);
}

vault::Credential take_credential(ConnectionInput& input) {
  vault::Credential credential;
  if (input.value) {
    for (auto& field : *input.value) credential.values.emplace(field.first, vault::Secret::take(field.second));
  }
  return credential;
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
