// connect PROVIDER: asks for what the catalog entry wants, stores it, and says what to type next.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "proxy/cli/command.hpp"
#include "proxy/cli/connect_link.hpp"
#include "proxy/cli/secret_source.hpp"

namespace postern::cli {
namespace {

struct ConnectFlags {
  std::string provider, auth, alias, name, config_json, auth_config, reconnect;
  std::vector<std::string> settings;
  bool device = false;
  SecretSource secret;
};

std::string label(const ProviderForm& provider, const FieldForm& field) {
  const std::string& name = field.title.empty() ? field.name : field.title;
  const std::string hint = field.secret || field.example.empty() ? "" : fmt::format(" (such as {})", field.example);
  return fmt::format("{}: {}{}{}: ", provider.title.empty() ? provider.id : provider.title, name, hint,
                     field.required ? "" : " (may be empty)");
}

// Asks for the fields that are not in `into` yet. Secrets are read without echo.
Result<void> ask_for(const std::vector<FieldForm>& fields, const ProviderForm& provider, json::object& into,
                     Session& session) {
  for (const FieldForm& field : fields) {
    if (into.contains(field.name) || (!field.required && !field.secret) || !field.default_value.empty()) continue;
    auto answer = session.around.ask(label(provider, field), !field.secret);
    if (!answer) return std::unexpected(answer.error());
    if (answer->empty() && field.required)
      return fail(Exit::failed, fmt::format("connect: {}: nothing was typed; try again", field.name));
    if (!answer->empty()) into[field.name] = answer->expose();
  }
  return {};
}

Result<json::object> value_for(const ConnectFlags& flags, const ProviderForm& provider, const AuthForm& auth,
                               Session& session) {
  if (flags.secret.given()) {
    auto text = read_secret(flags.secret, session);
    if (!text) return std::unexpected(text.error());
    return is_value_object(*text) ? parse_value_object(*text) : value_of_bare_secret(*text, auth);
  }
  json::object value;
  auto asked = ask_for(auth.fields, provider, value, session);
  if (!asked) return std::unexpected(asked.error());
  return value;
}

// A host that `exec` can show: the first exact one, or the variable's place left to the reader.
std::string example_host(const json::object& made, const ProviderForm& provider) {
  if (const auto* hosts = made.if_contains("hosts");
      hosts != nullptr && hosts->is_array() && !hosts->get_array().empty())
    if (hosts->get_array().front().is_string()) return std::string(hosts->get_array().front().get_string());
  for (const std::string& host : provider.hosts)
    if (host.find_first_of("*$") == std::string::npos) return host;
  return "HOST";
}

Result<json::object> body_for(const ConnectFlags& flags, const ProviderForm& provider, const AuthForm& auth,
                              Session& session) {
  auto config = config_from(flags.config_json, flags.settings);
  if (!config) return std::unexpected(config.error());
  if (session.around.in_is_terminal && !flags.secret.given())
    if (auto asked = ask_for(provider.variables, provider, *config, session); !asked)
      return std::unexpected(asked.error());
  auto value = value_for(flags, provider, auth, session);
  if (!value) return std::unexpected(value.error());
  const std::string title = provider.title.empty() ? provider.id : provider.title;
  json::object body{{"app", provider.id},
                    {"type", auth.type},
                    {"auth", auth.name},
                    {"name", flags.name.empty() ? title : flags.name}};
  if (!flags.alias.empty()) body["alias"] = flags.alias;
  if (!config->empty()) body["config"] = std::move(*config);
  body["value"] = std::move(*value);
  return body;
}

void say_what_next(const json::object& made, const ProviderForm& provider, Session& session) {
  std::string reference = text_field(made, "alias");
  if (reference.empty()) reference = text_field(made, "id");
  // Ports other than 443 stay in the URL; the path of a pattern is not part of the host.
  std::string host = example_host(made, provider);
  std::string path = provider.verify_path.empty() ? "/" : provider.verify_path;
  if (const auto slash = host.find('/'); slash != std::string::npos) {
    path = host.substr(slash);
    host.resize(slash);
  }
  const auto colon = host.find(':');
  const std::string port = colon == std::string::npos || host.substr(colon) == ":443" ? "" : host.substr(colon);
  host = host.substr(0, colon);
  session.print(
      printable(fmt::format("connected {} as {} (alias {})", provider.id, text_field(made, "id"), reference)) + "\n");
  session.print(printable(fmt::format("Next: postern exec -c {} -- curl http://{}.postern.internal{}{}", reference,
                                      host, port, path)) +
                "\n");
}

// A person agrees in a browser: where the entry that is meant is OAUTH2, an auth config was named, or nothing else of
// the provider can be typed in.
bool wants_browser(const ConnectFlags& flags, const ProviderForm& provider) {
  if (flags.secret.given()) return false;
  if (!flags.auth_config.empty() || flags.device) return true;
  bool agreed = false, typed = false;
  for (const AuthForm& auth : provider.auth) {
    if (!flags.auth.empty() && auth.name != flags.auth) continue;
    agreed = agreed || auth.type == "OAUTH2";
    typed = typed || takes_value_by_hand(auth.type);
  }
  return agreed && !typed;
}

Result<json::object> link_body(const ConnectFlags& flags) {
  json::object body{{"provider", flags.provider}};
  const auto add = [&body](const char* key, const std::string& value) {
    if (!value.empty()) body[key] = value;
  };
  add("authConfig", flags.auth_config);
  add("auth", flags.auth);
  add("name", flags.name);
  add("alias", flags.alias);
  if (flags.device) body["device"] = true;
  auto config = config_from(flags.config_json, flags.settings);
  if (!config) return config;
  if (!config->empty()) body["config"] = std::move(*config);
  return body;
}

Result<int> by_link(const json::object& body, const ProviderForm* provider, Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto made = connect_by_link(body, *api, session);
  if (!made) return std::unexpected(made.error());
  if (provider == nullptr || !session.talks())
    session.print_object(*made);
  else
    say_what_next(*made, *provider, session);
  return Exit::ok;
}

Result<int> connect(const ConnectFlags& flags, Session& session) {
  if (!flags.reconnect.empty()) {
    json::object body{{"connection", flags.reconnect}};
    if (flags.device) body["device"] = true;
    return by_link(body, nullptr, session);
  }
  if (flags.provider.empty())
    return fail(Exit::usage, "connect: which provider? see 'postern providers list'; or name --reconnect CONNECTION");
  auto provider = session.provider(flags.provider);
  if (!provider) return std::unexpected(provider.error());
  if (wants_browser(flags, *provider)) {
    auto body = link_body(flags);
    if (!body) return std::unexpected(body.error());
    return by_link(*body, &*provider, session);
  }
  auto auth = choose_auth(*provider, flags.auth, "");
  if (!auth) return std::unexpected(auth.error());
  if (!takes_value_by_hand((*auth)->type))
    return fail(Exit::failed,
                fmt::format("connect: {}: {} takes more than a prompt can ask: use 'postern connections create'",
                            provider->id, (*auth)->type));
  if (!flags.secret.given() && !session.around.in_is_terminal)
    return fail(Exit::usage,
                "connect: stdin is not a terminal to ask on: give the secret with --from-stdin, --from-file FILE or "
                "--from-env NAME");
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  // Nobody should type a secret only to hear that there is no daemon to keep it.
  if (!flags.secret.given())
    if (auto alive = api->probe("/livez"); !alive) return std::unexpected(alive.error());
  auto body = body_for(flags, *provider, **auth, session);
  if (!body) return std::unexpected(body.error());
  auto made = api->create("connections", *body);
  if (!made) return std::unexpected(made.error());
  if (!session.talks())
    session.print_object(*made);
  else
    say_what_next(*made, *provider, session);
  return Exit::ok;
}

}  // namespace

void add_connect_verb(CLI::App& root, Command& command) {
  auto flags = std::make_shared<ConnectFlags>();
  CLI::App* verb = add_verb(root, "connect",
                            "store a credential of a provider: asks for it without echo, or shows a link to agree by",
                            "postern connect stripe");
  verb->add_option("provider", flags->provider, "its id; see 'postern providers list'");
  verb->add_option("--auth-config", flags->auth_config, "ac_… to connect with, in a browser");
  verb->add_option("--reconnect", flags->reconnect, "a connection that is there: agree to it again")
      ->type_name("CONNECTION");
  verb->add_flag("--device", flags->device,
                 "agree by a code that you type at the service, instead of being sent there");
  verb->add_option("--auth", flags->auth, "the provider's auth entry, where it has several");
  verb->add_option("--alias", flags->alias, "unique in the project; default: the provider's id");
  verb->add_option("--name", flags->name, "a name for people; default: the provider's title");
  verb->add_option("--config-json", flags->config_json, "the connection's variables, as a JSON object")
      ->type_name("JSON");
  verb->add_option("--set", flags->settings, "one variable (nothing secret): --set subdomain=acme")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  add_secret_source(*verb, flags->secret);
  verb->callback(
      [&command, flags] { command.action = [flags](Session& session) { return connect(*flags, session); }; });
}

}  // namespace postern::cli
