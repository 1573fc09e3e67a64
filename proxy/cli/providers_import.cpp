// providers import|enable|disable|delete: a draft made from an OpenAPI document, and what becomes of it.
#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <filesystem>
#include <fstream>
#include <istream>
#include <iterator>
#include <memory>

#include "proxy/cli/command.hpp"
#include "proxy/cli/fetch.hpp"
#include "proxy/cli/offline.hpp"

namespace postern::cli {
namespace {

Result<std::string> read_all(std::istream& in, const std::string& name) {
  std::string bytes(kMaxFetched + 1, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  if (bytes.size() > kMaxFetched)
    return fail(Exit::failed, fmt::format("import: {}: larger than 8 MiB, the most that is read", name));
  return bytes;
}

Result<std::string> read_source(const std::string& source, Session& session) {
  if (source.find("://") != source.npos) return fetch(source, session.around);
  if (source == "-") return read_all(session.around.in, "stdin");
  std::ifstream file(source, std::ios::binary);
  if (!file || std::filesystem::is_directory(source))
    return fail(Exit::failed, fmt::format("import: {}: cannot be read; check path and mode", source));
  return read_all(file, source);
}

// What each openIdConnect scheme points to: fetched from there, or the one file that was given.
Result<json::object> read_discovery(const std::vector<std::string>& urls, const ProviderImport& flags,
                                    Session& session) {
  json::object out;
  if (!flags.discovery.empty() && urls.size() > 1)
    return fail(Exit::usage, fmt::format("--discovery: the document has {} discovery URLs; leave all but one out with "
                                         "--skip, or let them be fetched",
                                         urls.size()));
  for (const std::string& url : urls) {
    auto bytes = flags.discovery.empty() ? fetch(url, session.around) : read_source(flags.discovery, session);
    if (!bytes)
      return fail(bytes.error().exit,
                  fmt::format("{}; give the document with --discovery FILE, or leave the scheme out with --skip NAME",
                              bytes.error().message));
    out[url] = std::move(*bytes);
  }
  return out;
}

// For the entry's first line and for errors: a name, not where it lies on this machine.
std::string shown_name(const std::string& source) {
  if (source.find("://") != source.npos) return source.substr(0, source.find('?'));
  return source == "-" ? "stdin" : std::filesystem::path(source).filename().string();
}

std::string texts(const json::object& answer, std::string_view key) {
  std::string out;
  if (const json::value* list = answer.if_contains(key); list != nullptr && list->is_array())
    for (const json::value& one : list->get_array())
      if (one.is_string()) out += (out.empty() ? "" : ", ") + printable(std::string(one.get_string()));
  return out;
}

void print_remarks(const json::object& answer, std::string_view key, const char* title, Session& session) {
  const json::value* list = answer.if_contains(key);
  if (list == nullptr || !list->is_array() || list->get_array().empty()) return;
  session.print(std::string(title) + "\n");
  for (const json::value& one : list->get_array()) {
    if (!one.is_object()) continue;
    const std::string place = text_field(one.get_object(), "place");
    session.print(fmt::format("  {}{}{}\n", printable(text_field(one.get_object(), "text")),
                              place.empty() ? "" : "  at ", printable(place)));
  }
}

void print_report(const json::object& answer, bool dry_run, Session& session) {
  const std::string id = text_field(answer, "id");
  session.print(
      fmt::format("{} {}: {}\n", dry_run ? "would import" : "imported", id, printable(text_field(answer, "title"))));
  session.print(fmt::format("hosts that may see its secrets: {}\n", texts(answer, "hosts")));
  if (const std::string endpoints = texts(answer, "endpoints"); !endpoints.empty())
    session.print(fmt::format("hosts that give out its tokens: {}\n", endpoints));
  session.print("mapped\n");
  if (const json::value* list = answer.if_contains("mapped"); list != nullptr && list->is_array())
    for (const json::value& one : list->get_array()) {
      const json::object& row = one.as_object();
      const std::int64_t operations = row.at("operations").to_number<std::int64_t>();
      session.print(fmt::format("  {}  {}  {} operation{}{}{}\n", text_field(row, "auth"), text_field(row, "type"),
                                operations, operations == 1 ? "" : "s",
                                row.at("schemes").as_array().empty() ? "" : "  ", texts(row, "schemes")));
    }
  print_remarks(answer, "unmapped", "not mapped", session);
  print_remarks(answer, "remarks", "look at", session);
  if (!dry_run)
    session.print(
        fmt::format("It is a draft. Look at it with 'postern providers show {0}', then 'postern providers "
                    "enable {0}'.\n",
                    id));
}

Result<int> import(const ProviderImport& flags, Session& session) {
  auto document = read_source(flags.source, session);
  if (!document) return std::unexpected(document.error());
  ProviderImport named = flags;
  named.file = shown_name(flags.source);
  const auto urls = offline::discovery_of(*document, named);
  if (!urls) return std::unexpected(urls.error());
  std::string type = document->find_first_not_of(" \t\r\n\xef\xbb\xbf") != document->npos &&
                             document->at(document->find_first_not_of(" \t\r\n\xef\xbb\xbf")) == '{'
                         ? "application/json"
                         : "application/yaml";
  if (!urls->empty()) {
    auto discovery = read_discovery(*urls, flags, session);
    if (!discovery) return std::unexpected(discovery.error());
    *document = json::serialize(json::object{{"document", *document}, {"discovery", std::move(*discovery)}});
    type = "application/vnd.postern.import+json";
  }
  Query query{{"file", named.file}};
  if (!flags.id.empty()) query.emplace_back("id", flags.id);
  if (!flags.base_url.empty()) query.emplace_back("baseUrl", flags.base_url);
  if (!flags.auth.empty()) query.emplace_back("auth", flags.auth);
  for (const std::string& host : flags.confirm) query.emplace_back("confirmEndpoint", host);
  for (const std::string& name : flags.skip) query.emplace_back("skip", name);
  if (flags.dry_run) query.emplace_back("dryRun", "true");
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto answer = api->upload("providers/import", query, std::move(*document), type);
  if (!answer) return std::unexpected(answer.error());
  if (session.talks())
    print_report(*answer, flags.dry_run, session);
  else
    session.print_object(*answer);
  return Exit::ok;
}

Result<int> enable(const std::string& id, bool enabled, Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto answer = api->change("providers/" + encode(id), {{"enabled", enabled}});
  if (!answer) return std::unexpected(answer.error());
  if (!session.talks()) {
    session.print_object(*answer);
  } else if (enabled) {
    session.print(fmt::format("enabled {0}: 'postern connect {0}' makes a connection\n", id));
  } else {
    session.print(fmt::format("disabled {}: its connections are refused until it is enabled\n", id));
  }
  return Exit::ok;
}

Result<int> erase(const std::string& id, Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  if (auto gone = api->erase("providers/" + encode(id)); !gone) return std::unexpected(gone.error());
  if (session.talks()) session.print(fmt::format("deleted {}\n", id));
  return Exit::ok;
}

void add_id_verb(CLI::App& noun, Command& command, const char* name, const char* purpose,
                 std::function<Result<int>(const std::string&, Session&)> action) {
  auto id = std::make_shared<std::string>();
  CLI::App* verb = add_verb(noun, name, purpose, fmt::format("postern providers {} acme", name));
  verb->add_option("provider", *id, "its id")->required();
  verb->callback([&command, id, action = std::move(action)] {
    command.action = [id, action](Session& session) { return action(*id, session); };
  });
}

}  // namespace

void add_provider_import_verbs(CLI::App& providers, Command& command) {
  auto flags = std::make_shared<ProviderImport>();
  CLI::App* verb = add_verb(providers, "import", "a draft of a catalog entry from an OpenAPI 3 document (JSON or YAML)",
                            "postern providers import https://api.example.com/openapi.json --id acme");
  verb->add_option("file", flags->source, "a file, an https URL, or - for stdin; at most 8 MiB")->required();
  verb->add_option("--id", flags->id, "the provider's id; otherwise made from the title");
  verb->add_option("--base-url", flags->base_url, "the service's address, where its servers are relative or absent");
  verb->add_option("--auth", flags->auth,
                   "where the document names no security schemes: bearer, basic, header:NAME, query:NAME, cookie:NAME");
  verb->add_option("--skip", flags->skip, "a security scheme to leave out; may be given again");
  verb->add_option("--discovery", flags->discovery, "the OpenID discovery document as a file, instead of fetching it");
  verb->add_option("--confirm-endpoint", flags->confirm,
                   "a host that may see client secrets although it is not the issuer's; may be given again");
  verb->add_flag("--dry-run", flags->dry_run, "show what would be imported");
  verb->callback([&command, flags] { command.action = [flags](Session& session) { return import(*flags, session); }; });
  add_id_verb(providers, command, "enable", "an imported provider may be used from now on",
              [](const std::string& id, Session& session) { return enable(id, true, session); });
  add_id_verb(providers, command, "disable", "an imported provider is a draft again; its connections are refused",
              [](const std::string& id, Session& session) { return enable(id, false, session); });
  add_id_verb(providers, command, "delete", "an imported provider that nothing uses", erase);
}

}  // namespace postern::cli
