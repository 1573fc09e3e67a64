#include "proxy/cli/secret_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <fstream>
#include <istream>
#include <iterator>

#include "proxy/cli/repeated_key.hpp"

namespace postern::cli {
namespace {

std::string slurp(std::istream& in) {
  return {std::istreambuf_iterator<char>(in), {}};
}

Result<Hidden> not_empty(std::string& text, const std::string& where) {
  if (text.find_first_not_of(" \t\r\n") == std::string::npos)
    return fail(Exit::failed, fmt::format("secret: {}: nothing in it; give the secret there", where));
  return Hidden::take(text);
}

// A secret pasted where the name of its variable belongs must not come back in an error.
bool looks_like_variable(const std::string& name) {
  return name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == std::string::npos;
}

std::string names(const std::vector<AuthForm>& auth) {
  std::string out;
  for (const AuthForm& one : auth) out += fmt::format("{}{} ({})", out.empty() ? "" : ", ", one.name, one.type);
  return out;
}

}  // namespace

Result<Hidden> read_secret(const SecretSource& source, Session& session) {
  if (source.from_stdin + !source.from_file.empty() + !source.from_env.empty() != 1)
    return fail(Exit::usage, "secret: give it with one of --from-stdin, --from-file FILE or --from-env NAME");
  if (source.from_stdin) {
    std::string text = slurp(session.around.in);
    return not_empty(text, "--from-stdin");
  }
  if (!source.from_env.empty()) {
    const auto found = session.around.environment.find(source.from_env);
    std::string text = found == session.around.environment.end() ? std::string() : found->second;
    return not_empty(text, looks_like_variable(source.from_env) ? "--from-env " + source.from_env : "--from-env");
  }
  std::ifstream in(source.from_file, std::ios::binary);
  if (!in) return fail(Exit::failed, fmt::format("secret: {}: cannot be read; check path and mode", source.from_file));
  std::string text = slurp(in);
  return not_empty(text, source.from_file);
}

bool is_value_object(const Hidden& text) {
  const auto first = text.expose().find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text.expose()[first] == '{';
}

Result<json::object> parse_value_object(const Hidden& text) {
  boost::system::error_code error;
  json::value parsed = json::parse(text.expose(), error);
  if (error || !parsed.is_object())
    return fail(Exit::failed, "secret: starts like a JSON object but is none; write {\"apiKey\": \"…\"}");
  if (const auto repeated = repeated_key(text.expose()))
    return fail(Exit::failed, fmt::format("secret: {}", repeated->what));
  return std::move(parsed.get_object());
}

std::string_view bare_secret(const Hidden& text) {
  std::string_view bytes = text.expose();
  while (!bytes.empty() && (bytes.back() == '\n' || bytes.back() == '\r')) bytes.remove_suffix(1);
  return bytes;
}

Result<json::object> value_of_bare_secret(const Hidden& text, const AuthForm& auth) {
  const auto secret = [](const FieldForm& field) { return field.secret; };
  if (std::ranges::count_if(auth.fields, secret) != 1) {
    std::string wanted;
    for (const FieldForm& field : auth.fields)
      wanted += fmt::format("{}\"{}\": …", wanted.empty() ? "" : ", ", field.name);
    return fail(Exit::usage,
                fmt::format("secret: {} takes more than one: give a JSON object {{{}}}", auth.type, wanted));
  }
  json::object value;
  value[std::ranges::find_if(auth.fields, secret)->name] = bare_secret(text);
  return value;
}

bool takes_value_by_hand(const std::string& type) {
  return type == "API_KEY" || type == "BEARER" || type == "BASIC" || type == "CUSTOM";
}

Result<const AuthForm*> choose_auth(const ProviderForm& provider, const std::string& auth, const std::string& type) {
  std::vector<const AuthForm*> fitting;
  for (const AuthForm& one : provider.auth) {
    const bool named = auth.empty() || one.name == auth;
    const bool typed = type.empty() || one.type == type;
    const bool by_hand = !auth.empty() || !type.empty() || takes_value_by_hand(one.type);
    if (named && typed && by_hand) fitting.push_back(&one);
  }
  if (fitting.size() == 1) return fitting.front();
  if (fitting.empty() && provider.auth.empty())
    return fail(Exit::failed, fmt::format("provider: {}: has no auth entry", provider.id));
  return fail(Exit::usage,
              fmt::format("provider: {}: {}: choose with --auth: {}", provider.id,
                          fitting.empty() ? "no auth entry fits" : "several auth entries fit", names(provider.auth)));
}

Result<json::object> config_from(const std::string& config_json, const std::vector<std::string>& settings) {
  json::object config;
  if (!config_json.empty()) {
    boost::system::error_code error;
    json::value parsed = json::parse(config_json, error);
    if (error || !parsed.is_object())
      return fail(Exit::usage, "--config-json: not a JSON object; write {\"key\": \"value\"}");
    if (const auto repeated = repeated_key(config_json))
      return fail(Exit::usage, fmt::format("--config-json: {}", repeated->what));
    config = std::move(parsed.get_object());
  }
  for (const std::string& setting : settings) {
    const auto equals = setting.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(Exit::usage, "--set: no '=' in it; write --set key=value");
    const std::string text = setting.substr(equals + 1);
    const bool structured = text.starts_with('{') || text.starts_with('[');
    boost::system::error_code error;
    json::value parsed = structured ? json::parse(text, error) : json::value(text);
    if (error) return fail(Exit::usage, fmt::format("--set: {}: not valid JSON", setting.substr(0, equals)));
    if (const auto repeated = structured ? repeated_key(text) : std::nullopt)
      return fail(Exit::usage, fmt::format("--set: {}: {}", setting.substr(0, equals), repeated->what));
    config[setting.substr(0, equals)] = std::move(parsed);
  }
  return config;
}

}  // namespace postern::cli
