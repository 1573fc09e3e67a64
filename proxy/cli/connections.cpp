// connections list|show|create|update|test|rotate|revoke|delete; import and export have files of their own.
#include <fmt/format.h>

#include <memory>

#include "proxy/cli/command.hpp"
#include "proxy/cli/secret_source.hpp"

namespace postern::cli {
namespace {

constexpr Column kColumns[] = {
    {"ID", "id"},        {"ALIAS", "alias"},           {"APP", "app", 1}, {"TYPE", "type", 2, 7}, {"STATUS", "status"},
    {"NAME", "name", 3}, {"CREATED", "created", 3, 11}};

std::string path_to(const std::string& connection) {
  return "connections/" + encode(connection);
}

struct ListFlags {
  std::string app, status, tag, end_user, search, auth_config, owner, scope;
  ListRange range;
};

Result<int> list(const ListFlags& flags, Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  Query query;
  const auto add = [&query](const char* name, const std::string& value) {
    if (!value.empty()) query.emplace_back(name, value);
  };
  add("provider", flags.app);
  add("status", flags.status);
  add("tag", flags.tag);
  add("endUser", flags.end_user);
  add("search", flags.search);
  add("authConfig", flags.auth_config);
  add("owner", flags.owner);
  add("scope", flags.scope);
  auto answer = api->list("connections", query, flags.range);
  if (!answer) return std::unexpected(answer.error());
  session.print_list(*answer, kColumns);
  return Exit::ok;
}

// What create and update have in common. An empty text means "not given".
struct Fields {
  std::string app, type, auth, name, alias, auth_config, project, scope, owner, end_user, config_json;
  std::vector<std::string> tags, settings;
  bool enable = false, disable = false;
  SecretSource secret;
};

Result<json::object> body_of(const Fields& fields) {
  json::object body;
  const auto add = [&body](const char* key, const std::string& value) {
    if (!value.empty()) body[key] = value;
  };
  add("app", fields.app);
  add("type", fields.type);
  add("auth", fields.auth);
  add("name", fields.name);
  add("alias", fields.alias);
  add("authConfig", fields.auth_config);
  add("project", fields.project);
  add("scope", fields.scope);
  add("owner", fields.owner);
  add("endUser", fields.end_user);
  if (!fields.tags.empty()) body["tags"] = json::array(fields.tags.begin(), fields.tags.end());
  if (fields.enable || fields.disable) body["enabled"] = fields.enable;
  if (fields.config_json.empty() && fields.settings.empty()) return body;
  auto config = config_from(fields.config_json, fields.settings);
  if (!config) return std::unexpected(config.error());
  body["config"] = std::move(*config);
  return body;
}

// A bare secret needs the catalog to know which field it is; a JSON object names its fields itself.
Result<json::object> value_from(const Hidden& text, const std::string& app, const std::string& auth,
                                const std::string& type, Session& session) {
  if (is_value_object(text)) return parse_value_object(text);
  auto provider = session.provider(app);
  if (!provider) return std::unexpected(provider.error());
  auto chosen = choose_auth(*provider, auth, type);
  if (!chosen) return std::unexpected(chosen.error());
  return value_of_bare_secret(text, **chosen);
}

Result<int> create(const Fields& fields, Session& session) {
  auto body = body_of(fields);
  if (!body) return std::unexpected(body.error());
  // The client of an auth config may be all that there is: client credentials need nothing of the connection's own.
  if (fields.secret.given() || fields.auth_config.empty()) {
    auto text = read_secret(fields.secret, session);
    if (!text) return std::unexpected(text.error());
    auto value = value_from(*text, fields.app, fields.auth, fields.type, session);
    if (!value) return std::unexpected(value.error());
    (*body)["value"] = std::move(*value);
  }
  return session.create("connections", *body);
}

Result<int> show(const std::string& id, Session& session) {
  return session.show(path_to(id));
}

// The value of a connection that is there: a bare secret is the one of its own auth entry.
Result<json::object> value_for(const std::string& id, const Fields& fields, const SecretSource& secret,
                               Session& session) {
  auto text = read_secret(secret, session);
  if (!text) return std::unexpected(text.error());
  if (is_value_object(*text)) return value_from(*text, fields.app, fields.auth, fields.type, session);
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto found = api->get(path_to(id));
  if (!found) return std::unexpected(found.error());
  const json::object stored = found->is_object() ? found->get_object() : json::object{};
  return value_from(*text, text_field(stored, "app"), text_field(stored, "auth"), text_field(stored, "type"), session);
}

Result<int> update(const std::string& id, const Fields& fields, Session& session) {
  auto body = body_of(fields);
  if (!body) return std::unexpected(body.error());
  if (fields.secret.given()) {
    auto value = value_for(id, fields, fields.secret, session);
    if (!value) return std::unexpected(value.error());
    (*body)["value"] = std::move(*value);
  }
  if (body->empty())
    return fail(Exit::usage,
                "connections update: nothing to change: name a flag; see 'postern connections update --help'");
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto changed = api->change(path_to(id), *body);
  if (!changed) return std::unexpected(changed.error());
  session.print_object(*changed);
  return Exit::ok;
}

struct Rotation {
  SecretSource secret;
  std::string keep_old;  // empty: as the daemon is set
  bool no_test = false, undo = false;
};

Result<int> rotate(const std::string& id, const Rotation& flags, Session& session) {
  json::object body;
  if (flags.undo) {
    if (flags.secret.given())
      return fail(Exit::usage, "connections rotate: --undo brings the old secret; name no other");
    body["undo"] = true;
  } else {
    if (!flags.secret.given())
      return fail(Exit::usage,
                  "connections rotate: no secret: give it with --from-stdin, --from-file FILE or --from-env NAME");
    auto value = value_for(id, {}, flags.secret, session);
    if (!value) return std::unexpected(value.error());
    body["value"] = std::move(*value);
    if (flags.no_test) body["test"] = false;
    if (!flags.keep_old.empty()) body["keepOld"] = flags.keep_old;
  }
  return session.create(path_to(id) + "/rotate", body);
}

// A report in place of the object: what is of interest, a line each.
Result<int> test(const std::string& id, Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto tested = api->create(path_to(id) + "/test", {});
  if (!tested) return std::unexpected(tested.error());
  const auto* ok = tested->if_contains("ok");
  const bool good = ok != nullptr && ok->is_bool() && ok->get_bool();
  if (session.globals.format != Format::table) {
    session.print_object(*tested);
  } else if (session.talks()) {
    const std::string account = text_field(*tested, "account");
    session.print(printable(fmt::format("{}: {}{}", id, good ? "works" : text_field(*tested, "status"),
                                        account.empty() ? "" : ", account " + account)) +
                  "\n");
  }
  if (good) return Exit::ok;
  return fail(Exit::failed, fmt::format("connections test: {}: {}: {}", id, text_field(*tested, "reason"),
                                        text_field(*tested, "text")));
}

Result<int> revoke(const std::string& id, Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto revoked = api->create(path_to(id) + "/revoke", {});
  if (!revoked) return std::unexpected(revoked.error());
  if (session.globals.format != Format::table) session.print_object(*revoked);
  if (session.talks()) session.print(fmt::format("revoked {}\n", printable(id)));
  const auto* tokens = revoked->if_contains("tokens");
  if (tokens == nullptr || !tokens->is_array()) return Exit::ok;
  for (const json::value& one : tokens->get_array()) {
    const json::object token = one.is_object() ? one.get_object() : json::object{};
    if (const auto* done = token.if_contains("revoked"); done != nullptr && done->is_bool() && done->get_bool())
      continue;
    session.note(printable(fmt::format("the service did not take the {} back: {}; end it there",
                                       text_field(token, "token"), text_field(token, "text"))));
  }
  return Exit::ok;
}

Result<int> erase(const std::vector<std::string>& ids, bool yes, bool revoke_first, Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  for (const std::string& id : ids) {
    if (session.around.in_is_terminal && !yes) {
      auto answer =
          session.around.ask(fmt::format("Delete connection {} and its credential? [y/N] ", printable(id)), true);
      if (!answer) return std::unexpected(answer.error());
      if (answer->expose() != "y" && answer->expose() != "yes")
        return fail(Exit::failed, fmt::format("connections delete: {}: kept; answer y, or give --yes", id));
    }
    if (auto erased = api->erase(path_to(id) + (revoke_first ? "?revoke=true" : "")); !erased)
      return std::unexpected(erased.error());
    if (session.talks()) session.print(fmt::format("deleted {}\n", printable(id)));
  }
  return Exit::ok;
}

void add_fields(CLI::App& verb, Fields& fields) {
  verb.add_option("--name", fields.name, "a name for people");
  verb.add_option("--alias", fields.alias, "unique in the project; default: the provider's id");
  verb.add_option("--scope", fields.scope, "PERSONAL, PROJECT or ORGANIZATION");
  verb.add_option("--end-user", fields.end_user, "whose account it is, in the caller's own words");
  verb.add_option("--tag", fields.tags, "repeat for more")->allow_extra_args(false);
  verb.add_option("--config-json", fields.config_json, "the connection's variables, as a JSON object")
      ->type_name("JSON");
  verb.add_option("--set", fields.settings, "one variable (nothing secret): --set subdomain=acme")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

void add_list(CLI::App& noun, Command& command) {
  auto flags = std::make_shared<ListFlags>();
  CLI::App* verb =
      add_verb(noun, "list", "connections; never a credential", "postern connections list --app stripe -q");
  verb->add_option("--app", flags->app, "of this provider");
  verb->add_option("--status", flags->status, "ACTIVE, EXPIRED, ERROR or REVOKED");
  verb->add_option("--tag", flags->tag, "with this tag");
  verb->add_option("--end-user", flags->end_user, "of this end user");
  verb->add_option("--search", flags->search, "in name and alias");
  verb->add_option("--auth-config", flags->auth_config, "of this auth config");
  verb->add_option("--owner", flags->owner, "of this user, or of 'service'");
  verb->add_option("--scope", flags->scope, "PERSONAL, PROJECT or ORGANIZATION");
  verb->add_option("--limit", flags->range.limit, "at most so many; default all")->check(whole_number(1));
  verb->add_option("--cursor", flags->range.cursor, "continue where an answer ended");
  verb->callback([&command, flags] { command.action = [flags](Session& session) { return list(*flags, session); }; });
}

void add_create(CLI::App& noun, Command& command) {
  auto fields = std::make_shared<Fields>();
  CLI::App* verb =
      add_verb(noun, "create", "store a credential",
               "postern connections create --app stripe --type API_KEY --alias billing --from-file ./key -q");
  verb->add_option("--app", fields->app, "provider id; see 'postern providers list'")->required();
  verb->add_option(
      "--type", fields->type,
      "API_KEY, BEARER, BASIC, CUSTOM, AWS_SIGV4, HMAC, OAUTH1, CERTIFICATE, DIGEST, OAUTH2, TWO_STEP …; see "
      "'postern providers show'");
  verb->add_option("--auth", fields->auth, "the provider's auth entry, where several share a type");
  verb->add_option("--owner", fields->owner, "user id, or 'service'");
  verb->add_option("--auth-config", fields->auth_config, "ac_… that it belongs to");
  verb->add_option("--project", fields->project, "default: proj_default");
  add_fields(*verb, *fields);
  add_secret_source(*verb, fields->secret);
  verb->callback(
      [&command, fields] { command.action = [fields](Session& session) { return create(*fields, session); }; });
}

void add_changes(CLI::App& noun, Command& command) {
  auto id = std::make_shared<std::string>();
  auto fields = std::make_shared<Fields>();
  CLI::App* verb = add_verb(noun, "update", "change what is not secret (with a source: the secret too)",
                            "postern connections update billing --name 'Billing EU'");
  verb->add_option("connection", *id, "id or alias")->required();
  add_fields(*verb, *fields);
  auto* enable = verb->add_flag("--enable", fields->enable, "let it be used again");
  verb->add_flag("--disable", fields->disable, "refuse its use, keep the credential")->excludes(enable);
  add_secret_source(*verb, fields->secret);
  verb->callback([&command, id, fields] {
    command.action = [id, fields](Session& session) { return update(*id, *fields, session); };
  });
  auto rotated = std::make_shared<Rotation>();
  verb =
      add_verb(noun, "rotate",
               "replace the secret, tried at the service first; id, alias and workflows stay, and the old one is kept "
               "for a time",
               "postern connections rotate billing --from-stdin < new.key");
  verb->add_option("connection", *id, "id or alias")->required();
  add_secret_source(*verb, rotated->secret);
  auto* no_test = verb->add_flag("--no-test", rotated->no_test, "store it without trying it");
  auto* keep = verb->add_option("--keep-old", rotated->keep_old,
                                "how long the old one can be brought back: 30m, 12h, 7d, 0; default: vault.keep_old");
  verb->add_flag("--undo", rotated->undo, "bring the old one back")->excludes(no_test)->excludes(keep);
  verb->callback([&command, id, rotated] {
    command.action = [id, rotated](Session& session) { return rotate(*id, *rotated, session); };
  });
}

}  // namespace

void add_connection_verbs(CLI::App& root, Command& command) {
  CLI::App* noun = add_noun(root, "connections", "stored credentials of services");
  add_list(*noun, command);
  auto id = std::make_shared<std::string>();
  CLI::App* verb =
      add_verb(*noun, "show", "one connection; never its credential", "postern connections show billing -o yaml");
  verb->add_option("connection", *id, "id or alias")->required();
  verb->callback([&command, id] { command.action = [id](Session& session) { return show(*id, session); }; });
  add_create(*noun, command);
  add_changes(*noun, command);
  auto ids = std::make_shared<std::vector<std::string>>();
  auto yes = std::make_shared<bool>(false);
  verb =
      add_verb(*noun, "delete", "erase connections with their credentials", "postern connections delete billing --yes");
  verb->add_option("connection", *ids, "ids or aliases")->required();
  verb->add_flag("-y,--yes", *yes, "do not ask");
  auto revoke_first = std::make_shared<bool>(false);
  verb->add_flag("--revoke", *revoke_first, "give the tokens back to the service first, or delete nothing");
  verb->callback([&command, ids, yes, revoke_first] {
    command.action = [ids, yes, revoke_first](Session& session) { return erase(*ids, *yes, *revoke_first, session); };
  });
  auto wider = std::make_shared<std::string>("PROJECT");
  verb = add_verb(*noun, "escalate", "let more people use it; it belongs to nobody in particular from then on",
                  "postern connections escalate billing --scope ORGANIZATION");
  verb->add_option("connection", *id, "id or alias")->required();
  verb->add_option("--scope", *wider, "PROJECT (default) or ORGANIZATION; never back");
  verb->callback([&command, id, wider] {
    command.action = [id, wider](Session& session) {
      json::object body;
      body["scope"] = *wider;
      return session.create(path_to(*id) + "/escalate", body);
    };
  });
  verb = add_verb(*noun, "test", "try it at the service; exit 1 if it is refused", "postern connections test billing");
  verb->add_option("connection", *id, "id or alias")->required();
  verb->callback([&command, id] { command.action = [id](Session& session) { return test(*id, session); }; });
  verb = add_verb(*noun, "revoke", "end its tokens, here and at the service", "postern connections revoke billing");
  verb->add_option("connection", *id, "id or alias")->required();
  verb->callback([&command, id] { command.action = [id](Session& session) { return revoke(*id, session); }; });
  add_import_verb(*noun, command);
  add_export_verb(*noun, command);
}

}  // namespace postern::cli
