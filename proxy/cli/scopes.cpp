// organizations|projects|users list|show|create|update|delete.
#include <fmt/format.h>

#include <memory>
#include <span>

#include "proxy/cli/command.hpp"

namespace postern::cli {
namespace {

constexpr Column kOrganizations[] = {
    {"ID", "id"}, {"NAME", "name", 1}, {"ENABLED", "enabled"}, {"CREATED", "created", 2, 11}};
constexpr Column kProjects[] = {{"ID", "id"}, {"NAME", "name", 1}, {"CREATED", "created", 2, 11}};
constexpr Column kUsers[] = {{"ID", "id"},
                             {"NAME", "name", 1},
                             {"EMAIL", "email", 2},
                             {"ROLE", "role"},
                             {"PROJECTS", "projects", 3},
                             {"ENABLED", "enabled"},
                             {"CREATED", "created", 3, 11}};

// The three nouns differ in what they are called, and in what can be said of them.
struct Noun {
  std::string plural, one, purpose, prefix;
  std::span<const Column> columns;
  bool enabled = false, user = false;
};

struct Flags {
  std::string id, name, email, role, search;
  std::vector<std::string> access;
  bool enable = false, disable = false, none = false;
  ListRange range;
};

Result<json::object> body_of(const Flags& flags) {
  json::object body;
  if (!flags.name.empty()) body["name"] = flags.name;
  if (!flags.email.empty()) body["email"] = flags.email;
  if (!flags.role.empty()) body["role"] = flags.role;
  if (flags.enable || flags.disable) body["enabled"] = flags.enable;
  if (flags.none) body["projects"] = json::array();
  if (flags.access.empty()) return body;
  auto access = access_from(flags.access, "--access");
  if (!access) return std::unexpected(access.error());
  body["projects"] = std::move(*access);
  return body;
}

// What a cell shows of `projects`: proj_a=EDITOR,proj_b=VIEWER.
void shorten_access(json::object& answer) {
  json::value* rows = answer.if_contains("data");
  if (rows == nullptr || !rows->is_array()) return;
  for (json::value& row : rows->get_array()) {
    if (!row.is_object()) continue;
    json::value* projects = row.get_object().if_contains("projects");
    if (projects == nullptr || !projects->is_array()) continue;
    json::array texts;
    for (const json::value& one : projects->get_array())
      if (one.is_object())
        texts.emplace_back(text_field(one.get_object(), "id") + '=' + text_field(one.get_object(), "role"));
    *projects = std::move(texts);
  }
}

Result<int> list(const Noun& noun, const Flags& flags, Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  Query query;
  if (!flags.search.empty()) query.emplace_back("search", flags.search);
  auto answer = api->list(noun.plural, query, flags.range);
  if (!answer) return std::unexpected(answer.error());
  if (session.globals.format == Format::table) shorten_access(*answer);
  session.print_list(*answer, noun.columns);
  return Exit::ok;
}

Result<int> create(const Noun& noun, const Flags& flags, Session& session) {
  auto body = body_of(flags);
  if (!body) return std::unexpected(body.error());
  return session.create(noun.plural, *body);
}

Result<int> update(const Noun& noun, const Flags& flags, Session& session) {
  auto body = body_of(flags);
  if (!body) return std::unexpected(body.error());
  if (body->empty()) {
    return fail(Exit::usage, fmt::format("{0} update: nothing to change: name a flag; see 'postern {0} update --help'",
                                         noun.plural));
  }
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto changed = api->change(noun.plural + '/' + encode(flags.id), *body);
  if (!changed) return std::unexpected(changed.error());
  session.print_object(*changed);
  return Exit::ok;
}

Result<int> erase(const Noun& noun, const Flags& flags, Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  if (auto erased = api->erase(noun.plural + '/' + encode(flags.id)); !erased) return std::unexpected(erased.error());
  if (session.talks()) session.print(fmt::format("deleted {}\n", printable(flags.id)));
  return Exit::ok;
}

void add_fields(CLI::App& verb, const Noun& noun, Flags& flags, bool fresh) {
  auto* name = verb.add_option("--name", flags.name, "a name for people");
  if (fresh) name->required();
  if (noun.enabled) {
    auto* enable = verb.add_flag("--enable", flags.enable, "its authorizations are good for something again");
    verb.add_flag("--disable", flags.disable, "none of its authorizations is good for anything, at once")
        ->excludes(enable);
  }
  if (!noun.user) return;
  verb.add_option("--email", flags.email, "their address");
  verb.add_option("--role", flags.role, "MEMBER, or ADMIN of every project");
  auto* access =
      verb.add_option("--access", flags.access, "all their projects, as VIEWER, EDITOR or ADMIN: proj_…=EDITOR")
          ->delimiter(',')
          ->allow_extra_args(false)
          ->type_name("PROJECT=ROLE");
  verb.add_flag("--no-access", flags.none, "in no project")->excludes(access);
}

void add(CLI::App& root, Command& command, const Noun& noun) {
  CLI::App* group = add_noun(root, noun.plural, noun.purpose);
  auto flags = std::make_shared<Flags>();
  const auto run = [&command, flags, noun](CLI::App* verb, auto what) {
    verb->callback([&command, flags, noun, what] {
      command.action = [flags, noun, what](Session& session) { return what(noun, *flags, session); };
    });
  };
  const auto with_id = [&](const char* name, const char* purpose, const std::string& more = "") {
    CLI::App* verb =
        add_verb(*group, name, purpose,
                 fmt::format("postern {} {} {}_0123456789abcdefghjk{}", noun.plural, name, noun.prefix, more));
    verb->add_option(noun.one, flags->id, "its id")->required();
    return verb;
  };
  CLI::App* verb = add_verb(*group, "list", "those that you see", fmt::format("postern {} list -q", noun.plural));
  verb->add_option("--search", flags->search, "in the name");
  verb->add_option("--limit", flags->range.limit, "at most so many; default all")->check(whole_number(1));
  verb->add_option("--cursor", flags->range.cursor, "continue where an answer ended");
  run(verb, list);
  run(with_id("show", "one of them"), [](const Noun& of, const Flags& with, Session& session) {
    return session.show(of.plural + '/' + encode(with.id));
  });
  verb = add_verb(*group, "create", "make one", fmt::format("postern {} create --name Acme -q", noun.plural));
  add_fields(*verb, noun, *flags, true);
  run(verb, create);
  verb = with_id("update", "change it", " --name Acme");
  add_fields(*verb, noun, *flags, false);
  run(verb, update);
  run(with_id("delete", noun.user ? "erase it; what is in their name ends" : "erase it when nothing is left in it"),
      erase);
}

}  // namespace

Result<json::array> access_from(const std::vector<std::string>& texts, std::string_view flag) {
  json::array out;
  for (const std::string& text : texts) {
    const auto equals = text.find('=');
    if (equals == std::string::npos)
      return fail(Exit::usage, fmt::format("{}: write PROJECT=ROLE, with VIEWER, EDITOR or ADMIN", flag));
    out.push_back(json::object{{"id", text.substr(0, equals)}, {"role", text.substr(equals + 1)}});
  }
  return out;
}

void add_scope_verbs(CLI::App& root, Command& command) {
  add(root, command,
      {.plural = "organizations",
       .one = "organization",
       .purpose = "what everything else lies in",
       .prefix = "org",
       .columns = kOrganizations,
       .enabled = true});
  add(root, command,
      {.plural = "projects",
       .one = "project",
       .purpose = "the parts of an organization",
       .prefix = "proj",
       .columns = kProjects});
  add(root, command,
      {.plural = "users",
       .one = "user",
       .purpose = "people, whose roles bound the tokens in their name",
       .prefix = "user",
       .columns = kUsers,
       .enabled = true,
       .user = true});
}

}  // namespace postern::cli
