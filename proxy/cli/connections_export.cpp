// connections export: what import takes, without a secret.
#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <memory>
#include <set>

#include "proxy/cli/command.hpp"
#include "proxy/cli/import_reader.hpp"

namespace postern::cli {
namespace {

constexpr const char* kTexts[] = {"app",   "type",  "auth",    "name",    "alias",
                                  "scope", "owner", "endUser", "project", "authConfig"};

struct ExportFlags {
  std::string format = "jsonl", app, status, tag, end_user, search;
};

// What POST takes of a connection that was shown.
json::object body_of(const json::object& shown) {
  json::object body;
  for (const char* name : kTexts)
    if (auto text = text_field(shown, name); !text.empty()) body[name] = text;
  for (const char* name : {"tags", "config"})
    if (const auto* value = shown.if_contains(name)) body[name] = *value;
  const auto* enabled = shown.if_contains("enabled");
  if (enabled != nullptr && *enabled == json::value(false)) body["enabled"] = false;
  return body;
}

// The secrets that whoever imports it has to fill in.
class Forms {
 public:
  explicit Forms(Session& session) : session_(session) {}
  Result<std::vector<std::string>> fields_of(const json::object& body) {
    const std::string app = text_field(body, "app"), auth = text_field(body, "auth");
    const auto [at, is_new] = known_.try_emplace(app + "/" + auth);
    if (!is_new) return at->second;
    auto provider = session_.provider(app);
    if (!provider && provider.error().exit == Exit::not_found) return at->second;  // it left the catalog
    if (!provider) return std::unexpected(provider.error());
    for (const AuthForm& form : provider->auth) {
      if (form.name != auth) continue;
      for (const FieldForm& field : form.fields) at->second.push_back(field.name);
    }
    return at->second;
  }

 private:
  Session& session_;
  std::map<std::string, std::vector<std::string>> known_;
};

std::string tags_cell(const json::value& tags) {
  std::string cell;
  if (!tags.is_array()) return cell;
  for (const json::value& tag : tags.get_array()) {
    if (!tag.is_string()) continue;
    if (!cell.empty()) cell += ';';
    for (const char c : tag.get_string()) cell += c == ';' ? std::string("\\;") : std::string(1, c);
  }
  return cell;
}

std::string config_cell(const json::value& value) {
  if (!value.is_string()) return json::serialize(value);
  const std::string text(value.get_string());
  const bool like_json = !text.empty() && std::string_view("{[\"").find(text.front()) != std::string_view::npos;
  return like_json ? json::serialize(value) : text;
}

void print_csv(Session& session, const std::vector<json::object>& bodies, const std::set<std::string>& secrets) {
  std::set<std::string> variables;
  for (const json::object& body : bodies)
    for (const auto& variable : body.at("config").get_object()) variables.emplace(variable.key());
  std::vector<std::string> cells(std::begin(kTexts), std::end(kTexts));
  for (const char* name : {"tags", "enabled"}) cells.emplace_back(name);
  for (const auto& name : variables) cells.push_back("config." + name);
  for (const auto& name : secrets) cells.push_back("value." + name);
  session.print(csv_row(cells));
  for (const json::object& body : bodies) {
    cells.clear();
    for (const char* name : kTexts) cells.push_back(text_field(body, name));
    cells.push_back(tags_cell(body.at("tags")));
    cells.push_back(body.contains("enabled") ? "false" : "");
    for (const auto& name : variables) {
      const auto* value = body.at("config").get_object().if_contains(name);
      cells.push_back(value == nullptr ? "" : config_cell(*value));
    }
    for (std::string& cell : cells) cell = defused(cell);
    cells.resize(cells.size() + secrets.size());
    session.print(csv_row(cells));
  }
}

Result<int> write_out(const ExportFlags& flags, Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  Query query;
  for (const auto& [name, value] :
       {std::pair("provider", flags.app), std::pair("status", flags.status), std::pair("tag", flags.tag),
        std::pair("endUser", flags.end_user), std::pair("search", flags.search)})
    if (!value.empty()) query.emplace_back(name, value);
  const auto answer = api->list("connections", query, {});
  if (!answer) return std::unexpected(answer.error());
  Forms forms(session);
  std::vector<json::object> bodies;
  std::set<std::string> secrets;
  for (const json::value& row : answer->at("data").get_array()) {
    if (!row.is_object()) continue;
    const auto* declared = row.get_object().if_contains("declared");
    if (declared != nullptr && *declared == json::value(true)) continue;  // its file says it already
    json::object body = body_of(row.get_object());
    if (!body["config"].is_object()) body["config"].emplace_object();
    if (!body["tags"].is_array()) body["tags"].emplace_array();
    const auto fields = forms.fields_of(body);
    if (!fields) return std::unexpected(fields.error());
    secrets.insert(fields->begin(), fields->end());
    if (flags.format == "jsonl") {
      json::object& value = body["value"].emplace_object();
      for (const auto& name : *fields) value[name] = "";
      session.print(json::serialize(body) + "\n");
    } else {
      bodies.push_back(std::move(body));
    }
  }
  if (flags.format == "csv") print_csv(session, bodies, secrets);
  return Exit::ok;
}

}  // namespace

void add_export_verb(CLI::App& connections, Command& command) {
  auto flags = std::make_shared<ExportFlags>();
  CLI::App* verb = add_verb(
      connections, "export",
      "all connections as 'connections import' takes them, with an empty place for each secret. In CSV a cell that "
      "a spreadsheet would run (it begins with = + - @ TAB or CR) has an apostrophe before it, which "
      "import takes away again",
      "postern connections export --format csv > connections.csv");
  verb->add_option("--format", flags->format, "jsonl or csv")
      ->check(CLI::IsMember({"jsonl", "csv"}))
      ->capture_default_str();
  verb->add_option("--app", flags->app, "of this provider");
  verb->add_option("--status", flags->status, "ACTIVE, EXPIRED, ERROR or REVOKED");
  verb->add_option("--tag", flags->tag, "with this tag");
  verb->add_option("--end-user", flags->end_user, "of this end user");
  verb->add_option("--search", flags->search, "in the name");
  verb->callback(
      [&command, flags] { command.action = [flags](Session& session) { return write_out(*flags, session); }; });
}

}  // namespace postern::cli
