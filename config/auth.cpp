// One row of a catalog entry's `auth:`; what is OAuth's own is read by oauth.cpp.
#include <algorithm>

#include <fmt/format.h>

#include "config/decode.hpp"
#include "config/sign.hpp"

namespace postern::config {
namespace {

const Names kTypes{"OAUTH2",     "OAUTH2_CLIENT_CREDENTIALS",
                   "JWT_BEARER", "API_KEY",
                   "BEARER",     "BASIC",
                   "CUSTOM",     "CERTIFICATE",
                   "AWS_SIGV4",  "HMAC",
                   "OAUTH1",     "DIGEST",
                   "TWO_STEP",   "GITHUB_APP"};
const Names kOAuth{"OAUTH2", "OAUTH2_CLIENT_CREDENTIALS", "JWT_BEARER", "TWO_STEP", "GITHUB_APP"};
const Names kStatic{"API_KEY", "BEARER", "BASIC", "CUSTOM"};
const Names kSigned{"AWS_SIGV4", "HMAC", "OAUTH1", "CERTIFICATE", "DIGEST"};
const Names kBound{"CERTIFICATE", "DIGEST"};

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
  if (type == "AWS_SIGV4")
    return {{"accessKeyId", field(false, true, "Access key id")},
            {"secretAccessKey", field(true, true, "Secret access key")},
            {"sessionToken", field(true, false, "Session token")}};
  if (type == "HMAC") return {{"keyId", field(false, false, "Key id")}, {"key", field(true, true, "Key")}};
  if (type == "OAUTH1")
    return {{"consumerKey", field(false, true, "Consumer key")},
            {"consumerSecret", field(true, false, "Consumer secret")},
            {"privateKey", field(true, false, "Private key (RSA-SHA1)")},
            {"token", field(true, false, "Access token")},
            {"tokenSecret", field(true, false, "Access token secret")}};
  if (type == "CERTIFICATE")
    return {{"certificate", field(false, true, "Certificate with its chain (PEM)")},
            {"key", field(true, true, "Private key (PEM)")},
            {"passphrase", field(true, false, "Passphrase of the key")}};
  if (type == "DIGEST")
    return {{"username", field(false, true, "User name")}, {"password", field(true, false, "Password")}};
  if (type == "OAUTH2")
    return {{"refreshToken", field(true, true, "Refresh token")},
            {"accessToken", field(true, false, "Access token")},
            {"expiresAt", field(false, false, "End of the access token")}};
  if (type == "GITHUB_APP") return {{"installationId", field(false, true, "Installation id")}};
  return {};
}

std::map<std::string, FieldSpec> default_app_fields(const std::string& type, ClientAuth client_auth) {
  if (type == "GITHUB_APP")
    return {{"appId", field(false, true, "App id")}, {"privateKey", field(true, true, "Private key")}};
  if (type != "OAUTH2" && type != "OAUTH2_CLIENT_CREDENTIALS") return {};
  const FieldSpec id = field(false, true, "Client id");
  if (client_auth == ClientAuth::private_key_jwt)
    return {{"clientId", id}, {"privateKey", field(true, true, "Private key")}};
  if (client_auth == ClientAuth::none) return {{"clientId", id}};
  return {{"clientId", id}, {"clientSecret", field(true, true, "Client secret")}};
}

// One name is one variable, whether an app, a connection or its config brings the value.
void refuse_shared_names(const Node& at, const Auth& auth, const Names& variables, Mistakes& mistakes) {
  for (const auto& [name, spec] : auth.app_fields)
    if (auth.fields.contains(name) || std::find(variables.begin(), variables.end(), name) != variables.end())
      mistakes.add(at, fmt::format("'{}' is in app_fields and in fields", name));
}

// A rule over a field that may be absent would send half a credential; only Basic has a meaning for an empty part.
void refuse_optional(const Auth& auth, const Node& inject, Mistakes& mistakes) {
  for (const InjectRule& rule : auth.inject)
    for (const auto& part : rule.value.parts()) {
      if (part.function == "basic") continue;
      for (const std::string& name : part.arguments) {
        if (auth.oauth && name == "accessToken") continue;  // a grant obtains it
        const auto spec = auth.fields.find(name);
        if (spec != auth.fields.end() && !spec->second.required && spec->second.default_value.empty())
          mistakes.add(inject, fmt::format("a rule uses '{}', which is optional and has no default", name));
      }
    }
}

std::vector<InjectRule> bearer_rule(std::string_view token) {
  InjectRule rule;
  rule.name = "Authorization";
  rule.value = *Template::parse("Bearer " + std::string(token));
  return {rule};
}

std::vector<InjectRule> default_rules(const Auth& auth, const Node& node, Mistakes& mistakes) {
  if (auth.oauth) return auth.sign ? std::vector<InjectRule>{} : bearer_rule("${accessToken}");
  const bool bearer = auth.type == "BEARER";
  if (!bearer && auth.type != "BASIC") return {};
  for (const std::string& name : bearer ? Names{"token"} : Names{"username", "password"})
    if (!auth.fields.contains(name)) {
      mistakes.add(node, fmt::format("without a field '{}' the entry must say what to inject", name));
      return {};
    }
  if (bearer) return bearer_rule("${token}");
  InjectRule rule;
  rule.name = "Authorization";
  rule.value = *Template::parse("Basic ${basic(username, password)}");
  return {rule};
}

// What a grant brings, beside the fields: the tokens, and what else its answer is asked for.
Names granted_values(const Auth& auth) {
  Names out;
  for (const auto* fields : {&auth.fields, &auth.app_fields})
    for (const auto& [name, spec] : *fields) out.push_back(name);
  out.insert(out.end(), {"accessToken", "idToken"});
  for (const auto& [name, path] : auth.oauth->answer.more) out.push_back(name);
  return out;
}

void decode_inject(MapReader& in, const Node& node, const Names& variables, bool generic, Auth& auth,
                   Mistakes& mistakes) {
  const Node* inject = in.get("inject");
  const bool served = is_static_type(auth.type);
  if (inject) {
    Names known = auth.oauth ? granted_values(auth) : Names{};
    known.insert(known.end(), variables.begin(), variables.end());
    if (!auth.oauth)
      for (const auto& [name, spec] : auth.fields)
        if (!stays_here(auth.type, name)) known.push_back(name);
    auth.inject = decode_rules(*inject, &known, mistakes);
    refuse_optional(auth, *inject, mistakes);
    return;
  }
  auth.inject = default_rules(auth, node, mistakes);
  if (auth.inject.empty() && served && !is_signed_type(auth.type) && !generic && auth.type != "BEARER" &&
      auth.type != "BASIC")
    mistakes.add(node, fmt::format("type {} needs inject rules", auth.type));
}

void decode_auth_sign(const Node* sign, const Node& node, const Names& variables, bool generic, Auth& auth,
                      Mistakes& mistakes) {
  if (auth.oauth) {
    if (sign) auth.sign = decode_granted_sign(*sign, variables, granted_values(auth), mistakes);
    return;
  }
  Mistakes not_yet;  // the generic provider is told with the connection what its signer needs
  auth.sign = decode_sign(sign, node, auth.type, variables, auth.fields, generic && !sign ? not_yet : mistakes);
  if (auth.sign && (!generic || sign))
    for (const std::string& used : sign_fields(*auth.sign, auth.fields)) auth.fields[used].required = true;
}

}  // namespace

const std::vector<std::string>& known_types() {
  return kTypes;
}

const std::vector<std::string>& oauth_types() {
  return kOAuth;
}

bool is_oauth_type(std::string_view type) {
  return std::find(kOAuth.begin(), kOAuth.end(), type) != kOAuth.end();
}

bool is_signed_type(std::string_view type) {
  return std::find(kSigned.begin(), kSigned.end(), type) != kSigned.end();
}

bool is_bound_type(std::string_view type) {
  return std::find(kBound.begin(), kBound.end(), type) != kBound.end();
}

bool stays_here(std::string_view type, std::string_view field) {
  if (type == "CERTIFICATE") return field == "certificate" || field == "key" || field == "passphrase";
  return type == "DIGEST" && field == "password";
}

bool is_static_type(std::string_view type) {
  return is_signed_type(type) || std::find(kStatic.begin(), kStatic.end(), type) != kStatic.end();
}

bool is_served_type(std::string_view type) {
  return is_static_type(type) || is_oauth_type(type);
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
    if (config) spec.list = in.flag("list", false);
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
  if (is_oauth_type(auth.type)) {
    const Node* app = in.get("app_fields");
    if (app) auth.app_fields = decode_fields(*app, false, mistakes);
    const ClientAuth client_auth = decode_client_auth(node.find("token"), auth.type);
    if (!app) auth.app_fields = default_app_fields(auth.type, client_auth);
    refuse_shared_names(app ? *app : node, auth, variables, mistakes);
    auth.oauth = decode_oauth(in, node, auth, variables, mistakes);
    if (const Node* verify = in.get("verify")) auth.verify = decode_verify(*verify, variables, mistakes);
  }
  decode_auth_sign(in.get("sign"), node, variables, generic, auth, mistakes);
  decode_inject(in, node, variables, generic, auth, mistakes);
  in.finish();
  return auth;
}

}  // namespace postern::config
