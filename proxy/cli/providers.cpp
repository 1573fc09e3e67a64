// providers list|show|lint and config validate|show: what the files say, without a daemon.
#include <fmt/format.h>

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
          {"source", form.source}};
}

Result<int> list(Session& session) {
  auto forms = offline::providers(session.globals.config, session.around.environment);
  if (!forms) return std::unexpected(forms.error());
  json::array rows;
  for (const ProviderForm& form : *forms) {
    json::array types;
    for (const AuthForm& one : form.auth) types.emplace_back(one.type);
    rows.push_back(json::object{
        {"id", form.id}, {"title", form.title}, {"types", std::move(types)}, {"hosts", strings(form.hosts)}});
  }
  constexpr Column columns[] = {{"ID", "id"}, {"TITLE", "title"}, {"TYPES", "types"}, {"HOSTS", "hosts"}};
  session.print_list({{"data", std::move(rows)}, {"cursor", nullptr}, {"hasMore", false}}, columns);
  return Exit::ok;
}

Result<int> show(const std::string& id, Session& session) {
  auto form = offline::provider(session.globals.config, session.around.environment, id);
  if (!form) return std::unexpected(form.error());
  const json::object object = object_of(*form);
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
  auto text = offline::show(session.globals.config, session.around.environment);
  if (!text) return std::unexpected(text.error());
  session.print(*text);
  return Exit::ok;
}

}  // namespace

void add_provider_verbs(CLI::App& root, Command& command) {
  CLI::App* noun = add_noun(root, "providers", "the catalog: services and how they authenticate");
  add_verb(*noun, "list", "every provider, shipped and configured", "postern providers list -q")->callback([&command] {
    command.action = list;
  });
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
  add_verb(*noun, "show", "every setting with its value, after environment and defaults", "postern config show")
      ->callback([&command] { command.action = show_config; });
}

}  // namespace postern::cli
