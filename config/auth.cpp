// One row of a catalog entry's `auth:`, static types and the OAuth keys that the grants will read.
#include <algorithm>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "config/decode.hpp"

namespace postern::config {
namespace {

const Names kTypes{"OAUTH2",     "OAUTH2_CLIENT_CREDENTIALS",
                   "JWT_BEARER", "API_KEY",
                   "BEARER",     "BASIC",
                   "CUSTOM",     "CERTIFICATE",
                   "AWS_SIGV4",  "HMAC",
                   "OAUTH1",     "DIGEST",
                   "TWO_STEP",   "GITHUB_APP"};
const Names kStatic{"API_KEY", "BEARER", "BASIC", "CUSTOM"};

FieldSpec field(bool secret, bool required, std::string title) {
  FieldSpec out;
  out.secret = secret;
  out.required = required;
  out.title = std::move(title);
  return out;
}

std::map<std::string, FieldSpec> default_fields(const std::string& type) {
  if (type == "BEARER") return {{"token", field(true, true, "Token")}};
  if (type == "BASIC")
    return {{"username", field(false, true, "User name")}, {"password", field(true, false, "Password")}};
  if (type == "API_KEY") return {{"apiKey", field(true, true, "API key")}};
  return {};
}

std::string choice(MapReader& in, std::string_view key, const Names& choices, std::string fallback,
                   Mistakes& mistakes) {
  const Node* node = in.get(key);
  if (!node) return fallback;
  std::string text = scalar(*node, mistakes);
  if (node->is_scalar() && std::find(choices.begin(), choices.end(), text) == choices.end()) {
    mistakes.add(*node, fmt::format("'{}' is not one of {}", text, fmt::join(choices, ", ")));
    return fallback;
  }
  return text;
}

void decode_authorize(const Node& node, const Names& known, Auth& auth, Mistakes& mistakes) {
  MapReader in(node, "authorize", mistakes);
  OAuthAuthorize& out = auth.authorize.emplace();
  if (const Node* url = in.get("url"))
    out.url = decode_url(*url, known, mistakes);
  else
    mistakes.add(node, "authorize needs a url");
  if (const Node* params = in.get("params")) out.params = decode_text_map(*params, mistakes);
  out.scope_separator = in.text("scope_separator", out.scope_separator);
  out.pkce = choice(in, "pkce", {"required", "supported", "none"}, out.pkce, mistakes);
  in.finish();
}

void decode_token(const Node& node, const Names& known, Auth& auth, Mistakes& mistakes) {
  MapReader in(node, "token", mistakes);
  OAuthToken& out = auth.token.emplace();
  if (const Node* url = in.get("url"))
    out.url = decode_url(*url, known, mistakes);
  else
    mistakes.add(node, "token needs a url");
  out.encoding = choice(in, "encoding", {"form", "json", "query"}, out.encoding, mistakes);
  out.client_auth =
      choice(in, "client_auth", {"basic", "basic_raw", "body", "secret_as_user", "private_key_jwt", "none"},
             out.client_auth, mistakes);
  if (const Node* params = in.get("params")) out.params = decode_text_map(*params, mistakes);
  if (const Node* headers = in.get("headers")) {
    out.headers = decode_text_map(*headers, mistakes);
    for (const Node& key : headers->keys)
      if (const auto refused = refuse_header(key.text)) mistakes.add(key, *refused);
  }
  in.finish();
}

// Maps that the grants of a later version read: the names are checked now, so that a typing error is not found then.
std::string checked(MapReader& in, std::string_view key, const Names& names, const Names& known, Mistakes& mistakes) {
  const Node* node = in.get(key);
  if (!node) return {};
  MapReader inner(*node, std::string(key), mistakes);
  for (const std::string& name : names) {
    const Node* value = inner.get(name);
    if (value && name == "url") decode_url(*value, known, mistakes);
    if (value && name == "rotates" && value->text != "yes" && value->text != "no" && value->text != "maybe")
      mistakes.add(*value, "rotates is yes, no or maybe");
    if (value && name == "expires") {
      MapReader expires(*value, "expires", mistakes);
      for (std::string_view k : {"in", "at", "unit"}) expires.get(k);
      expires.finish();
    }
  }
  inner.finish();
  return boost::json::serialize(to_json(*node));
}

void decode_oauth(MapReader& in, const Names& known, Auth& auth, Mistakes& mistakes) {
  if (const Node* node = in.get("authorize")) decode_authorize(*node, known, auth, mistakes);
  if (const Node* node = in.get("token")) decode_token(*node, known, auth, mistakes);
  auth.refresh_json =
      checked(in, "refresh", {"rotates", "url", "params", "headers", "token", "idle_lifetime"}, known, mistakes);
  auth.answer_json = checked(
      in, "answer",
      {"access_token", "refresh_token", "id_token", "token_type", "scope", "account", "expires", "default_lifetime"},
      known, mistakes);
  auth.revoke_json = checked(in, "revoke", {"url", "params", "headers", "token"}, known, mistakes);
  auth.scopes_json = checked(in, "scopes", {"default", "required", "available"}, known, mistakes);
  if (const Node* node = in.get("app_fields")) {
    decode_fields(*node, false, mistakes);
    auth.app_fields_json = boost::json::serialize(to_json(*node));
  }
}

// A rule over a field that may be absent would send half a credential; only Basic has a meaning for an empty part.
void refuse_optional(const Auth& auth, const Node& inject, Mistakes& mistakes) {
  for (const InjectRule& rule : auth.inject)
    for (const auto& part : rule.value.parts()) {
      if (part.function == "basic") continue;
      for (const std::string& name : part.arguments) {
        const auto spec = auth.fields.find(name);
        if (spec != auth.fields.end() && !spec->second.required && spec->second.default_value.empty())
          mistakes.add(inject, fmt::format("a rule uses '{}', which is optional and has no default", name));
      }
    }
}

std::vector<InjectRule> default_rules(const Auth& auth, const Node& node, Mistakes& mistakes) {
  const bool bearer = auth.type == "BEARER";
  if (!bearer && auth.type != "BASIC") return {};
  for (const std::string& name : bearer ? Names{"token"} : Names{"username", "password"})
    if (!auth.fields.contains(name)) {
      mistakes.add(node, fmt::format("without a field '{}' the entry must say what to inject", name));
      return {};
    }
  InjectRule rule;
  rule.name = "Authorization";
  rule.value = *Template::parse(bearer ? "Bearer ${token}" : "Basic ${basic(username, password)}");
  return {rule};
}

void decode_inject(MapReader& in, const Node& node, const Names& variables, bool generic, Auth& auth,
                   Mistakes& mistakes) {
  const Node* inject = in.get("inject");
  const bool served = is_served_type(auth.type);
  if (inject) {
    Names known = variables;
    for (const auto& [name, spec] : auth.fields) known.push_back(name);
    if (!served) known.insert(known.end(), {"accessToken", "idToken"});
    auth.inject = decode_rules(*inject, &known, mistakes);
    refuse_optional(auth, *inject, mistakes);
    return;
  }
  auth.inject = default_rules(auth, node, mistakes);
  if (auth.inject.empty() && served && !generic && auth.type != "BEARER" && auth.type != "BASIC")
    mistakes.add(node, fmt::format("type {} needs inject rules", auth.type));
}

}  // namespace

const std::vector<std::string>& known_types() {
  return kTypes;
}

bool is_served_type(std::string_view type) {
  return std::find(kStatic.begin(), kStatic.end(), type) != kStatic.end();
}

std::map<std::string, FieldSpec> decode_fields(const Node& node, bool config, Mistakes& mistakes) {
  std::map<std::string, FieldSpec> out;
  if (!node.is_map() && !node.is_null()) mistakes.add(node, "fields must be a map of names");
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const Node& key = node.keys[i];
    if (!is_variable_name(key.text)) mistakes.add(key, fmt::format("'{}' is not a field name", key.text));
    MapReader in(node.items[i], fmt::format("the field '{}'", key.text), mistakes);
    FieldSpec spec;
    spec.secret = in.flag("secret", !config);
    spec.required = in.flag("required", true);
    spec.title = in.text("title", key.text);
    spec.description = in.text("description");
    spec.example = in.text("example");
    const Node* fallback = in.get("default");
    if (fallback) spec.default_value = scalar(*fallback, mistakes);
    const Node* pattern = in.get("pattern");
    if (pattern) {
      spec.pattern = scalar(*pattern, mistakes);
      if (const auto wrong = pattern_mistake(spec.pattern)) mistakes.add(*pattern, *wrong);
    }
    in.finish();
    if (config && spec.secret) mistakes.add(key, "a variable of config is never secret; make it a field of the auth");
    if (spec.secret && fallback) mistakes.add(*fallback, "a secret has no default");
    if (fallback && pattern && !pattern_matches(spec.pattern, spec.default_value))
      mistakes.add(*fallback, "the default does not match the pattern");
    if (fallback) spec.required = false;
    out[key.text] = std::move(spec);
  }
  return out;
}

Auth decode_auth(std::string name, const Node& node, const Names& variables, bool generic, Mistakes& mistakes) {
  Auth auth;
  auth.name = std::move(name);
  MapReader in(node, fmt::format("auth '{}'", auth.name), mistakes);
  const Node* type = in.get("type");
  if (type)
    auth.type = scalar(*type, mistakes);
  else
    mistakes.add(node, "an auth entry needs a type");
  if (type && type->is_scalar() && std::find(kTypes.begin(), kTypes.end(), auth.type) == kTypes.end())
    mistakes.add(*type, unknown("type", auth.type, kTypes));
  auth.title = in.text("title", auth.name);
  const Node* fields = in.get("fields");
  auth.fields = fields ? decode_fields(*fields, false, mistakes) : default_fields(auth.type);
  for (const std::string& variable : variables)
    if (fields && fields->find(variable))
      mistakes.add(*fields, fmt::format("'{}' is a variable of config already", variable));
  if (!is_served_type(auth.type)) decode_oauth(in, variables, auth, mistakes);
  decode_inject(in, node, variables, generic, auth, mistakes);
  in.finish();
  return auth;
}

}  // namespace postern::config
