// authorizations (tokens) list|create|revoke.
#include <fmt/format.h>

#include <memory>

#include "proxy/cli/command.hpp"

namespace postern::cli {
namespace {

constexpr Column kColumns[] = {{"ID", "id"},
                               {"NAME", "name"},
                               {"CAPABILITIES", "capabilities"},
                               {"CONNECTIONS", "connections"},
                               {"CREATED", "created"},
                               {"EXPIRES", "expires"},
                               {"STATUS", "status"}};

struct CreateFlags {
  std::string name, expires, project, user;
  std::vector<std::string> capabilities, connections, hosts, methods, default_for, access;
};

// "host", "connection" (each of its hosts), or "connection=host".
json::array defaults_from(const std::vector<std::string>& texts) {
  json::array out;
  for (const std::string& text : texts) {
    const auto equals = text.find('=');
    if (equals == std::string::npos)
      out.emplace_back(text);
    else
      out.push_back(json::object{{"connection", text.substr(0, equals)}, {"host", text.substr(equals + 1)}});
  }
  return out;
}

Result<int> list(const ListRange& range, Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto answer = api->list("authorizations", {}, range);
  if (!answer) return std::unexpected(answer.error());
  session.print_list(*answer, kColumns);
  return Exit::ok;
}

Result<int> create(const CreateFlags& flags, Session& session) {
  json::object body;
  const auto add = [&body](const char* key, const std::vector<std::string>& texts) {
    if (!texts.empty()) body[key] = json::array(texts.begin(), texts.end());
  };
  if (!flags.name.empty()) body["name"] = flags.name;
  add("capabilities", flags.capabilities);
  add("connections", flags.connections);
  add("hosts", flags.hosts);
  add("methods", flags.methods);
  if (!flags.default_for.empty()) body["default_for"] = defaults_from(flags.default_for);
  if (!flags.project.empty()) body["project"] = flags.project;
  if (!flags.user.empty()) body["user"] = flags.user;
  if (!flags.access.empty()) {
    auto access = access_from(flags.access, "--access");
    if (!access) return std::unexpected(access.error());
    body["projects"] = std::move(*access);
  }
  if (!flags.expires.empty()) {
    auto when = expiry(flags.expires, session.around.now_ms());
    if (!when) return std::unexpected(when.error());
    body["expires"] = *when;
  }
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto made = api->create("authorizations", body);
  if (!made) return std::unexpected(made.error());
  if (session.globals.quiet)
    session.print(text_field(*made, "token") + "\n");
  else
    session.print_object(*made);
  return Exit::ok;
}

Result<int> revoke(const std::vector<std::string>& ids, Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  for (const std::string& id : ids) {
    // Revoked, not deleted: the list still shows that it was there.
    auto revoked = api->create(fmt::format("authorizations/{}/revoke", encode(id)), {});
    if (!revoked) return std::unexpected(revoked.error());
    if (session.talks()) session.print(fmt::format("revoked {}\n", printable(id)));
  }
  return Exit::ok;
}

void add_lists(CLI::App& verb, CreateFlags& flags) {
  const auto add = [&verb](const char* name, std::vector<std::string>& into, const char* purpose) {
    verb.add_option(name, into, purpose)->delimiter(',')->allow_extra_args(false)->type_name("A,B");
  };
  add("--capabilities", flags.capabilities, "what it may do: proxy:call, connections:read, connections:write, …");
  add("--connections", flags.connections, "ids or aliases it may use; '*' for all; without it none");
  add("--hosts", flags.hosts, "only these hosts; without it what the connection allows");
  add("--methods", flags.methods, "only these methods");
  add("--default-for", flags.default_for, "host, CONNECTION or CONNECTION=host whose requests need not name it");
}

}  // namespace

void add_authorization_verbs(CLI::App& root, Command& command) {
  CLI::App* noun = add_noun(root, "authorizations", "tokens of callers and administrators (short: tokens)");
  noun->alias("tokens");
  auto range = std::make_shared<ListRange>();
  CLI::App* verb = add_verb(*noun, "list", "authorizations; never a token", "postern tokens list");
  verb->add_option("--limit", range->limit, "at most so many; default all")->check(CLI::PositiveNumber);
  verb->add_option("--cursor", range->cursor, "continue where an answer ended");
  verb->callback([&command, range] { command.action = [range](Session& session) { return list(*range, session); }; });
  auto flags = std::make_shared<CreateFlags>();
  verb =
      add_verb(*noun, "create", "make a token; it is shown once, -q prints nothing else",
               "postern tokens create --name step-42 --capabilities proxy:call --connections billing --expires 1h -q");
  verb->add_option("--name", flags->name, "what it is for");
  add_lists(*verb, *flags);
  verb->add_option("--expires", flags->expires, "30m, 12h, 7d or a time; default 24h")->type_name("SPAN");
  verb->add_option("--project", flags->project, "only in this project");
  verb->add_option("--user", flags->user, "in whose name: their roles bound it, as they are from now on");
  verb->add_option("--access", flags->access, "only these projects, as VIEWER, EDITOR or ADMIN: proj_…=EDITOR")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("PROJECT=ROLE");
  verb->callback([&command, flags] { command.action = [flags](Session& session) { return create(*flags, session); }; });
  auto ids = std::make_shared<std::vector<std::string>>();
  verb = add_verb(*noun, "revoke", "end authorizations at once", "postern tokens revoke tok_0123456789abcdefghjk");
  verb->add_option("authorization", *ids, "tok_… ids")->required();
  verb->callback([&command, ids] { command.action = [ids](Session& session) { return revoke(*ids, session); }; });
}

}  // namespace postern::cli
