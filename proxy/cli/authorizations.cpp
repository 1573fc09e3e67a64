// authorizations (tokens) list|show|create|introspect|revoke.
#include <fmt/format.h>

#include <memory>

#include "proxy/cli/command.hpp"
#include "proxy/cli/secret_source.hpp"

namespace postern::cli {
namespace {

constexpr Column kColumns[] = {{"ID", "id"},
                               {"NAME", "name", 1},
                               {"CAPABILITIES", "capabilities", 2},
                               {"CONNECTIONS", "connections", 2},
                               {"CALLS LEFT", "left", 3},
                               {"EXPIRES", "expires", 1, 11},
                               {"STATUS", "status"}};

struct CreateFlags {
  std::string name, expires, project, run, user;
  std::vector<std::string> capabilities, connections, hosts, methods, paths, default_for, access;
  std::optional<std::uint64_t> total, writes;
};

struct ListFlags {
  ListRange range;
  std::string run, status;
};

// "88", "88, 3 writes" or "3 writes"; absent: no limit.
std::optional<std::string> calls_left(const json::object& row) {
  const auto number = [&row](const char* of, const char* part) -> std::optional<std::int64_t> {
    const auto* object = row.if_contains(of);
    const auto* value = object != nullptr && object->is_object() ? object->get_object().if_contains(part) : nullptr;
    return value != nullptr && value->is_int64() ? std::optional(value->get_int64()) : std::nullopt;
  };
  std::string text;
  for (const auto& [part, unit] : {std::pair("total", ""), {"writes", " writes"}}) {
    const auto limit = number("budget", part);
    if (!limit) continue;
    text += fmt::format("{}{}{}", text.empty() ? "" : ", ", *limit - number("spent", part).value_or(0), unit);
  }
  return text.empty() ? std::nullopt : std::optional(text);
}

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

Result<int> list(const ListFlags& flags, Session& session) {
  Query query;
  if (!flags.run.empty()) query.emplace_back("run", flags.run);
  if (!flags.status.empty()) query.emplace_back("status", flags.status);
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto answer = api->list("authorizations", query, flags.range);
  if (!answer) return std::unexpected(answer.error());
  if (session.talks()) {  // a column of the table, not of the answer
    for (json::value& row : answer->at("data").as_array())
      if (const auto left = calls_left(row.as_object())) row.as_object()["left"] = *left;
  }
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
  add("paths", flags.paths);
  json::object budget;
  if (flags.total) budget["total"] = *flags.total;
  if (flags.writes) budget["writes"] = *flags.writes;
  if (!budget.empty()) body["budget"] = budget;
  if (!flags.run.empty()) body["run"] = flags.run;
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

// What a token is good for. Its text goes from the source to the daemon, and nowhere else.
Result<int> introspect(const SecretSource& source, Session& session) {
  auto token = read_secret(source, session);
  if (!token) return std::unexpected(token.error());
  return session.create("authorizations/introspect", {{"token", bare_secret(*token)}});
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
  add("--paths", flags.paths, "only these paths and what lies below them, for example /v1/charges");
  add("--default-for", flags.default_for, "host, CONNECTION or CONNECTION=host whose requests need not name it");
}

}  // namespace

void add_authorization_verbs(CLI::App& root, Command& command) {
  CLI::App* noun = add_noun(root, "authorizations", "tokens of callers and administrators (short: tokens)");
  noun->alias("tokens");
  auto listed = std::make_shared<ListFlags>();
  CLI::App* verb = add_verb(*noun, "list", "authorizations; never a token", "postern tokens list --run nightly");
  verb->add_option("--run", listed->run, "only those of this run");
  verb->add_option("--status", listed->status, "only ACTIVE, EXPIRED or REVOKED");
  verb->add_option("--limit", listed->range.limit, "at most so many; default all")->check(whole_number(1));
  verb->add_option("--cursor", listed->range.cursor, "continue where an answer ended");
  verb->callback(
      [&command, listed] { command.action = [listed](Session& session) { return list(*listed, session); }; });
  auto shown = std::make_shared<std::string>();
  verb = add_verb(*noun, "show", "one authorization, never its token", "postern tokens show tok_0123456789abcdefghjk");
  verb->add_option("authorization", *shown, "tok_… id")->required();
  verb->callback([&command, shown] {
    command.action = [shown](Session& session) { return session.show("authorizations/" + encode(*shown)); };
  });
  auto flags = std::make_shared<CreateFlags>();
  verb =
      add_verb(*noun, "create", "make a token; it is shown once, -q prints nothing else",
               "postern tokens create --name step-42 --capabilities proxy:call --connections billing --expires 1h -q");
  verb->add_option("--name", flags->name, "what it is for");
  add_lists(*verb, *flags);
  verb->add_option("--expires", flags->expires, "30m, 12h, 7d or a time; default 24h")->type_name("SPAN");
  verb->add_option("--project", flags->project, "only in this project");
  verb->add_option("--budget-total", flags->total, "at most so many calls, of it and of all that it makes")
      ->check(whole_number(0))
      ->type_name("N");
  verb->add_option("--budget-writes", flags->writes, "at most so many with other methods than GET, HEAD, OPTIONS")
      ->check(whole_number(0))
      ->type_name("N");
  verb->add_option("--run", flags->run, "the run it is for: a label in lists and in the access log");
  verb->add_option("--user", flags->user, "in whose name: their roles bound it, as they are from now on");
  verb->add_option("--access", flags->access, "only these projects, as VIEWER, EDITOR or ADMIN: proj_…=EDITOR")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("PROJECT=ROLE");
  verb->callback([&command, flags] { command.action = [flags](Session& session) { return create(*flags, session); }; });
  auto source = std::make_shared<SecretSource>();
  verb = add_verb(*noun, "introspect", "whether a token is good for anything, and what for",
                  "postern tokens introspect --from-file /run/secrets/token");
  add_secret_source(*verb, *source);
  verb->callback(
      [&command, source] { command.action = [source](Session& session) { return introspect(*source, session); }; });
  auto ids = std::make_shared<std::vector<std::string>>();
  verb = add_verb(*noun, "revoke", "end authorizations at once", "postern tokens revoke tok_0123456789abcdefghjk");
  verb->add_option("authorization", *ids, "tok_… ids")->required();
  verb->callback([&command, ids] { command.action = [ids](Session& session) { return revoke(*ids, session); }; });
}

}  // namespace postern::cli
