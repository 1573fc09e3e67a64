// auth-configs list|show|create|update|delete.
#include <fmt/format.h>

#include <memory>

#include "proxy/cli/command.hpp"
#include "proxy/cli/secret_source.hpp"

namespace postern::cli {
namespace {

constexpr Column kColumns[] = {
    {"ID", "id"},         {"PROVIDER", "provider", 1}, {"TYPE", "type", 2, 7},       {"ENABLED", "enabled"},
    {"STATUS", "status"}, {"NAME", "name", 3},         {"CREATED", "created", 3, 11}};

std::string path_to(const std::string& id) {
  return "auth_configs/" + encode(id);
}

struct ListFlags {
  std::string app, search;
  bool all = false;
  ListRange range;
};

Result<int> list(const ListFlags& flags, Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  Query query;
  if (!flags.app.empty()) query.emplace_back("provider", flags.app);
  if (!flags.search.empty()) query.emplace_back("search", flags.search);
  if (flags.all) query.emplace_back("showDisabled", "true");
  auto answer = api->list("auth_configs", query, flags.range);
  if (!answer) return std::unexpected(answer.error());
  session.print_list(*answer, kColumns);
  return Exit::ok;
}

// What create and update have in common. An empty text means "not given".
struct Fields {
  std::string app, auth, name, client_id, config_json;
  std::vector<std::string> scopes, hosts, settings;
  bool enable = false, disable = false;
  SecretSource secret;
};

// A bare secret is the client's, beside --client-id; a JSON object names its fields itself.
Result<json::object> value_from(const Fields& fields, Session& session) {
  auto text = read_secret(fields.secret, session);
  if (!text) return std::unexpected(text.error());
  if (is_value_object(*text)) return parse_value_object(*text);
  json::object value;
  if (!fields.client_id.empty()) {
    value["clientId"] = fields.client_id;
    value["clientSecret"] = bare_secret(*text);
    return value;
  }
  return fail(Exit::usage,
              "auth-configs: a bare secret needs --client-id; otherwise give {\"clientId\": \"…\", \"clientSecret\": "
              "\"…\"}, or what the provider's entry names");
}

Result<json::object> body_of(const Fields& fields, Session& session) {
  json::object body;
  const auto add = [&body](const char* key, const std::string& value) {
    if (!value.empty()) body[key] = value;
  };
  add("provider", fields.app);
  add("auth", fields.auth);
  add("name", fields.name);
  if (!fields.scopes.empty()) body["scopes"] = json::array(fields.scopes.begin(), fields.scopes.end());
  if (!fields.hosts.empty()) body["hosts"] = json::array(fields.hosts.begin(), fields.hosts.end());
  if (fields.enable || fields.disable) body["enabled"] = fields.enable;
  if (!fields.config_json.empty() || !fields.settings.empty()) {
    auto config = config_from(fields.config_json, fields.settings);
    if (!config) return std::unexpected(config.error());
    body["config"] = std::move(*config);
  }
  if (fields.secret.given()) {
    auto value = value_from(fields, session);
    if (!value) return std::unexpected(value.error());
    body["value"] = std::move(*value);
  }
  return body;
}

Result<int> create(const Fields& fields, Session& session) {
  if (!fields.secret.given())
    return fail(Exit::usage,
                "auth-configs create: no secret: give it with --from-stdin, --from-file FILE or --from-env NAME");
  auto body = body_of(fields, session);
  if (!body) return std::unexpected(body.error());
  return session.create("auth_configs", *body);
}

Result<int> show(const std::string& id, Session& session) {
  return session.show(path_to(id));
}

Result<int> update(const std::string& id, const Fields& fields, Session& session) {
  auto body = body_of(fields, session);
  if (!body) return std::unexpected(body.error());
  if (body->empty())
    return fail(Exit::usage,
                "auth-configs update: nothing to change: name a flag; see 'postern auth-configs update --help'");
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto changed = api->change(path_to(id), *body);
  if (!changed) return std::unexpected(changed.error());
  session.print_object(*changed);
  return Exit::ok;
}

// What the API says of one that is in use, in this program's words: the connections, a line each, and what to do.
Failure in_use(const std::string& id, const Failure& failure, Session& session) {
  if (text_field(failure.problem, "code") != "in-use") return failure;
  const json::value* named = failure.problem.if_contains("connections");
  const json::value* count = failure.problem.if_contains("count");
  std::size_t shown = 0;
  if (named != nullptr && named->is_array()) {
    for (const json::value& one : named->get_array()) {
      if (!one.is_object()) continue;
      const json::object& connection = one.get_object();
      session.note(fmt::format("used by {}  {}  {}", text_field(connection, "id"), text_field(connection, "alias"),
                               text_field(connection, "name")));
      ++shown;
    }
  }
  const std::size_t all = count != nullptr && count->is_int64() ? static_cast<std::size_t>(count->get_int64()) : shown;
  if (all > shown) session.note(fmt::format("and by {} more that are not named here", all - shown));
  return {failure.exit,
          fmt::format("auth-configs delete: {}: in use by {}: delete them first, or give --cascade, which erases them "
                      "too (with --revoke their tokens end at the service first)",
                      id, all == 1 ? "1 connection" : fmt::format("{} connections", all))};
}

Result<int> erase(const std::string& id, bool cascade, bool revoke, Session& session) {
  if (revoke && !cascade) return fail(Exit::usage, "auth-configs delete: --revoke goes with --cascade");
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  if (auto erased = api->erase(path_to(id) + (revoke    ? "?cascade=true&revoke=true"
                                              : cascade ? "?cascade=true"
                                                        : ""));
      !erased)
    return std::unexpected(in_use(id, erased.error(), session));
  if (session.talks()) session.print(fmt::format("deleted {}\n", printable(id)));
  return Exit::ok;
}

void add_fields(CLI::App& verb, Fields& fields) {
  verb.add_option("--name", fields.name, "a name for people");
  verb.add_option("--client-id", fields.client_id, "beside a bare client secret");
  verb.add_option("--scopes", fields.scopes, "asked for instead of the provider's default; repeat for more")
      ->allow_extra_args(false);
  verb.add_option("--hosts", fields.hosts, "the only hosts its connections may reach; repeat for more")
      ->allow_extra_args(false);
  verb.add_option("--config-json", fields.config_json, "variables its connections share, as a JSON object")
      ->type_name("JSON");
  verb.add_option("--set", fields.settings, "one variable (nothing secret): --set tenant=acme")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  auto* enable = verb.add_flag("--enable", fields.enable, "let its connections be used again");
  verb.add_flag("--disable", fields.disable, "refuse the use of its connections")->excludes(enable);
  add_secret_source(verb, fields.secret);
}

}  // namespace

void add_auth_config_verbs(CLI::App& root, Command& command) {
  CLI::App* noun =
      add_noun(root, "auth-configs", "your own settings for a provider: the OAuth client of many connections");
  auto flags = std::make_shared<ListFlags>();
  CLI::App* verb = add_verb(*noun, "list", "auth configs; never a secret", "postern auth-configs list --app github -q");
  verb->add_option("--app", flags->app, "of this provider");
  verb->add_option("--search", flags->search, "in the name");
  verb->add_flag("--all", flags->all, "those that are disabled too");
  verb->add_option("--limit", flags->range.limit, "at most so many; default all")->check(whole_number(1));
  verb->add_option("--cursor", flags->range.cursor, "continue where an answer ended");
  verb->callback([&command, flags] { command.action = [flags](Session& session) { return list(*flags, session); }; });

  auto id = std::make_shared<std::string>();
  verb = add_verb(*noun, "show", "one auth config; never its secret", "postern auth-configs show ac_… -o yaml");
  verb->add_option("auth-config", *id, "its id")->required();
  verb->callback([&command, id] { command.action = [id](Session& session) { return show(*id, session); }; });

  auto fields = std::make_shared<Fields>();
  verb = add_verb(*noun, "create", "store a provider's client id and secret",
                  "postern auth-configs create --app github --client-id Iv1.x --from-file ./secret -q");
  verb->add_option("--app,--provider", fields->app, "provider id; see 'postern providers list'")->required();
  verb->add_option("--auth", fields->auth, "the provider's auth entry, where it has several");
  add_fields(*verb, *fields);
  verb->callback(
      [&command, fields] { command.action = [fields](Session& session) { return create(*fields, session); }; });

  auto changes = std::make_shared<Fields>();
  verb = add_verb(*noun, "update", "change it; with a source: its secret too",
                  "postern auth-configs update ac_… --disable");
  verb->add_option("auth-config", *id, "its id")->required();
  add_fields(*verb, *changes);
  verb->callback([&command, id, changes] {
    command.action = [id, changes](Session& session) { return update(*id, *changes, session); };
  });

  auto cascade = std::make_shared<bool>(false);
  verb = add_verb(*noun, "delete", "erase it; one that is in use says by what", "postern auth-configs delete ac_…");
  verb->add_option("auth-config", *id, "its id")->required();
  verb->add_flag("--cascade", *cascade, "its connections too");
  auto revoke = std::make_shared<bool>(false);
  verb->add_flag("--revoke", *revoke, "give the tokens of its connections back to the service first");
  verb->callback([&command, id, cascade, revoke] {
    command.action = [id, cascade, revoke](Session& session) { return erase(*id, *cascade, *revoke, session); };
  });
}

}  // namespace postern::cli
