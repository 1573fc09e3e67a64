// providers list|show|lint and config validate|show: what the files say, without a daemon; and what was imported, with.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <memory>

#include "proxy/cli/command.hpp"
#include "proxy/cli/offline.hpp"

namespace postern::cli {
namespace {

json::array strings(const std::vector<std::string>& texts) {
  json::array out;
  for (const std::string& text : texts) out.emplace_back(text);
  return out;
}

json::object fields_of(const std::vector<FieldForm>& fields) {
  json::object out;
  for (const FieldForm& field : fields) {
    json::object one{{"title", field.title}, {"secret", field.secret}, {"required", field.required}};
    if (!field.example.empty()) one["example"] = field.example;
    if (!field.default_value.empty()) one["default"] = field.default_value;
    out[field.name] = std::move(one);
  }
  return out;
}

json::object object_of(const ProviderForm& form) {
  json::object auth;
  for (const AuthForm& one : form.auth)
    auth[one.name] = json::object{{"type", one.type}, {"title", one.title}, {"fields", fields_of(one.fields)}};
  return {{"id", form.id},
          {"title", form.title},
          {"docs", form.docs},
          {"base_url", form.base_url},
          {"hosts", strings(form.hosts)},
          {"fields", fields_of(form.variables)},
          {"auth", std::move(auth)},
          {"source", form.origin},
          {"enabled", form.enabled},
          {"file", form.source}};
}

json::object row_of(const ProviderForm& form) {
  json::array types;
  for (const AuthForm& one : form.auth) types.emplace_back(one.type);
  return {
      {"id", form.id},         {"title", form.title},    {"types", std::move(types)}, {"hosts", strings(form.hosts)},
      {"source", form.origin}, {"enabled", form.enabled}};
}

// What the daemon alone knows; with --server everything. Without a daemon: nothing, and said.
Result<json::array> known_to_the_daemon(Session& session) {
  const bool remote = !session.globals.server.empty();
  json::array rows;
  auto api = session.api();
  Query query{{"showDisabled", "true"}};
  if (!remote) query.emplace_back("source", "IMPORTED");
  auto answer = api ? api->list("providers", query, {}) : Result<json::object>(std::unexpected(api.error()));
  if (!answer && remote) return std::unexpected(answer.error());
  if (!answer) {
    if (session.talks()) session.note("imported providers are not shown: " + answer.error().message);
    return rows;
  }
  for (const json::value& one : answer->at("data").as_array())
    if (one.is_object()) rows.push_back(row_of(form_from(one.get_object())));
  return rows;
}

Result<int> list(Session& session) {
  auto rows = known_to_the_daemon(session);
  if (!rows) return std::unexpected(rows.error());
  if (session.globals.server.empty()) {
    auto forms = offline::providers(session.globals.config, session.around.environment);
    if (!forms) return std::unexpected(forms.error());
    for (const ProviderForm& form : *forms) rows->push_back(row_of(form));
  }
  std::sort(rows->begin(), rows->end(), [](const json::value& a, const json::value& b) {
    return a.as_object().at("id").as_string() < b.as_object().at("id").as_string();
  });
  constexpr Column columns[] = {{"ID", "id"},          {"TITLE", "title", 1}, {"TYPES", "types", 2},
                                {"HOSTS", "hosts", 3}, {"SOURCE", "source"},  {"ENABLED", "enabled"}};
  session.print_list({{"data", std::move(*rows)}, {"cursor", nullptr}, {"hasMore", false}}, columns);
  return Exit::ok;
}

// A draft is looked at as the text that it is.
Result<int> show_imported(const json::object& entry, Session& session) {
  if (session.globals.format != Format::table || session.globals.quiet) {
    session.print_object(entry);
    return Exit::ok;
  }
  const bool enabled = entry.contains("enabled") && entry.at("enabled") == json::value(true);
  session.print(fmt::format("# {}, imported {}, from a document with SHA-256 {}\n{}", enabled ? "enabled" : "a draft",
                            text_field(entry, "created"), text_field(entry, "digest"), text_field(entry, "entry")));
  return Exit::ok;
}

Result<int> show(const std::string& id, Session& session) {
  Result<ProviderForm> form = fail(Exit::not_found, "");
  if (session.globals.server.empty()) form = offline::provider(session.globals.config, session.around.environment, id);
  if (!form && form.error().exit != Exit::not_found) return std::unexpected(form.error());
  json::object object;
  if (form) {
    object = object_of(*form);
  } else {
    auto api = session.api();
    auto entry = api ? api->get("providers/" + encode(id)) : Result<json::value>(std::unexpected(api.error()));
    if (!entry) return std::unexpected(session.globals.server.empty() ? form.error() : entry.error());
    if (!entry->is_object()) return fail(Exit::failed, fmt::format("answer: providers/{}: not a JSON object", id));
    object = std::move(entry->get_object());
    if (object.contains("entry")) return show_imported(object, session);
  }
  // An entry is a tree: as a table it would be one unreadable line.
  if (session.globals.format == Format::table && !session.globals.quiet)
    session.print(to_yaml(object));
  else
    session.print_object(object);
  return Exit::ok;
}

Result<int> lint(const std::vector<std::filesystem::path>& files, Session& session) {
  const std::vector<std::string> mistakes = offline::lint(files);
  for (const std::string& mistake : mistakes) session.note(mistake);
  if (!mistakes.empty()) return Exit::failed;
  if (!session.globals.quiet) session.print(fmt::format("ok {} file{}\n", files.size(), files.size() == 1 ? "" : "s"));
  return Exit::ok;
}

Result<int> validate(Session& session) {
  auto file = offline::validate(session.globals.config, session.around.environment);
  if (!file) return std::unexpected(file.error());
  session.print(fmt::format("ok {}\n", *file));
  return Exit::ok;
}

Result<int> show_config(Session& session) {
  if (session.globals.format == Format::json) {
    auto settings = offline::show_json(session.globals.config, session.around.environment);
    if (!settings) return std::unexpected(settings.error());
    session.print(json::serialize(*settings) + "\n");
    return Exit::ok;
  }
  auto text = offline::show(session.globals.config, session.around.environment);
  if (!text) return std::unexpected(text.error());
  session.print(*text);
  return Exit::ok;
}

}  // namespace

void add_provider_verbs(CLI::App& root, Command& command) {
  CLI::App* noun = add_noun(root, "providers", "the catalog: services and how they authenticate");
  add_verb(*noun, "list", "every provider: shipped, of your folders, imported", "postern providers list -q")
      ->callback([&command] { command.action = list; });
  add_provider_import_verbs(*noun, command);
  auto id = std::make_shared<std::string>();
  CLI::App* verb =
      add_verb(*noun, "show", "one provider: hosts, auth entries, fields", "postern providers show stripe");
  verb->add_option("provider", *id, "its id")->required();
  verb->callback([&command, id] { command.action = [id](Session& session) { return show(*id, session); }; });
  auto files = std::make_shared<std::vector<std::filesystem::path>>();
  verb = add_verb(*noun, "lint", "check catalog files before they are used", "postern providers lint providers/*.yaml");
  verb->add_option("file", *files, "catalog files")->required();
  verb->callback([&command, files] { command.action = [files](Session& session) { return lint(*files, session); }; });
}

void add_config_verbs(CLI::App& root, Command& command) {
  CLI::App* noun = root.add_subcommand("config", "the settings");
  noun->require_subcommand(1);
  noun->footer("Example:\n  postern config validate --config ./postern.yaml");
  add_verb(*noun, "validate", "check settings and catalog; exit 78 with file:line:column", "postern config validate")
      ->callback([&command] { command.action = validate; });
  add_verb(*noun, "show", "every setting with its value, after environment and defaults: YAML, or JSON with -o json",
           "postern config show")
      ->callback([&command] { command.action = show_config; });
}

}  // namespace postern::cli
