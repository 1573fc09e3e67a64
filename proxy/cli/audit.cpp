// audit tail|verify|export: what was done, by whom.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <memory>
#include <utility>

#include "proxy/cli/command.hpp"

namespace postern::cli {
namespace {

constexpr Column kColumns[] = {{"TIME", "time", 1, 20}, {"ACTOR", "who", 2},   {"ACTION", "action", 1, 18},
                               {"SUBJECT", "subject"},  {"COUNT", "count", 4}, {"DETAIL", "said", 3, 12}};
constexpr Column kFaults[] = {{"EVENT", "sequence"}, {"WHAT", "what"}};

struct Filters {
  std::string organization, since, until, actor, action, subject, project;
};

struct TailFlags {
  Filters filters;
  std::size_t most = 20;
  bool follow = false;
};

Result<Query> query_of(const Filters& filters, const Session& session) {
  Query query;
  for (const auto& [name, text] : {std::pair("organization", &filters.organization), std::pair("actor", &filters.actor),
                                   std::pair("action", &filters.action), std::pair("subject", &filters.subject),
                                   std::pair("project", &filters.project)}) {
    if (!text->empty()) query.emplace_back(name, *text);
  }
  for (const auto& [name, text] : {std::pair("since", &filters.since), std::pair("until", &filters.until)}) {
    if (text->empty()) continue;
    auto time = ago(*text, session.around.now_ms(), fmt::format("--{}", name));
    if (!time) return std::unexpected(time.error());
    query.emplace_back(name, std::move(*time));
  }
  return query;
}

std::string path_with(std::string path, const Query& query) {
  char mark = '?';
  for (const auto& [name, value] : query) path += fmt::format("{}{}={}", std::exchange(mark, '&'), name, encode(value));
  return path;
}

// What a table shows of an event: who by name, the details as one text.
json::object line_of(const json::object& event) {
  json::object row = event;
  const std::string name = text_field(event, "actorName");
  row["who"] = name.empty() ? text_field(event, "actor") : name;
  std::string said;
  if (const json::value* detail = event.if_contains("detail"); detail != nullptr && detail->is_object()) {
    for (const auto& [key, value] : detail->get_object())
      said += fmt::format("{}{}={}", said.empty() ? "" : " ", std::string_view(key), cell(value));
  }
  if (const json::value* missed = event.if_contains("missed"); missed != nullptr && cell(*missed) != "0")
    said += fmt::format("{}({} before it were not kept)", said.empty() ? "" : " ", cell(*missed));
  row["said"] = said;
  return row;
}

// Oldest first, as a log is read. Answers the sequence of the last one.
std::string show_events(const json::array& events, Session& session, bool titles) {
  std::string last;
  json::array rows;
  for (const json::value& event : events) {
    if (!event.is_object()) continue;
    if (const json::value* at = event.get_object().if_contains("sequence")) last = cell(*at);
    if (session.globals.format == Format::table && !session.globals.quiet) {
      rows.push_back(line_of(event.get_object()));
    } else {
      session.print((session.globals.quiet ? last : json::serialize(event)) + "\n");
    }
  }
  if (rows.empty()) return last;
  session.print_table(kColumns, rows, titles);
  return last;
}

Result<json::object> head_of(Api& api, const Filters& filters) {
  Query query{{"limit", "1"}};
  if (!filters.organization.empty()) query.emplace_back("organization", filters.organization);
  auto answer = api.get(path_with("audit", query));
  if (!answer) return std::unexpected(answer.error());
  const json::value* head = answer->is_object() ? answer->get_object().if_contains("head") : nullptr;
  return head != nullptr && head->is_object() ? head->get_object() : json::object();
}

// "41 events since 2030-01-01T00:00:00.000Z were not kept: …"; empty: every one was. The chain of what was kept is
// sound all the same, so this is said beside the verdict.
std::string not_kept(const json::object& head) {
  const json::value* dropped = head.if_contains("dropped");
  if (dropped == nullptr || cell(*dropped) == "0" || cell(*dropped) == "-") return "";
  const std::string since = text_field(head, "droppedSince");
  return fmt::format(
      "{} {}{} {} not kept: the quota of this audit is used up; raise audit.quota or shorten "
      "audit.retention",
      cell(*dropped), cell(*dropped) == "1" ? "event" : "events", since.empty() ? "" : " since " + since,
      cell(*dropped) == "1" ? "was" : "were");
}

// Until somebody ends it: what came since, every second.
Result<int> follow(Api& api, Query query, std::string after, Session& session) {
  std::erase_if(query, [](const auto& one) { return one.first == "since"; });
  query.emplace_back("sortOrder", "ASC");
  for (;;) {
    session.around.pause();
    auto answer = api.list("audit", query, {.limit = std::nullopt, .cursor = after});
    if (!answer) return std::unexpected(answer.error());
    const std::string last = show_events(answer->at("data").as_array(), session, false);
    if (!last.empty()) after = last;
    session.around.out.flush();
  }
}

Result<int> tail(const TailFlags& flags, Session& session) {
  auto query = query_of(flags.filters, session);
  if (!query) return std::unexpected(query.error());
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  // The head first: what is followed begins behind it.
  const auto head = head_of(*api, flags.filters);
  if (!head) return std::unexpected(head.error());
  auto answer = api->list("audit", *query, {.limit = flags.most, .cursor = {}});
  if (!answer) return std::unexpected(answer.error());
  json::array& events = answer->at("data").as_array();
  std::ranges::reverse(events);
  show_events(events, session, true);
  if (const std::string gap = not_kept(*head); !gap.empty()) session.note(gap);
  const std::string anchor = text_field(*head, "anchor");
  if (session.talks() && !anchor.empty()) session.print(fmt::format("\nhead  {}\n", anchor));
  if (!flags.follow) return Exit::ok;
  return follow(*api, std::move(*query), anchor.substr(0, anchor.find(':')), session);
}

std::string text_or_number(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value == nullptr ? "-" : cell(*value);
}

Result<int> verify(const Filters& filters, const std::string& anchor, Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  Query query;
  if (!filters.organization.empty()) query.emplace_back("organization", filters.organization);
  json::object body;
  if (!anchor.empty()) body["anchor"] = anchor;
  auto found = api->create(path_with("audit/verify", query), body);
  if (!found) return std::unexpected(found.error());
  const json::value* faults = found->if_contains("faults");
  const bool sound = faults != nullptr && faults->is_array() && faults->get_array().empty();
  const json::value* head = found->if_contains("head");
  const json::object no_head;
  const json::object& at = head != nullptr && head->is_object() ? head->get_object() : no_head;
  const std::string end = text_field(at, "anchor"), gap = not_kept(at);
  if (!gap.empty() && !session.talks()) session.note(gap);
  if (session.globals.quiet) {
    session.print(end + "\n");
  } else if (!session.talks()) {
    session.print_object(*found);
  } else {
    session.print(fmt::format("checked  {} events\n", text_or_number(*found, "checked")));
    if (!gap.empty()) session.print(fmt::format("missing  {}\n", printable(gap)));
    session.print(fmt::format("head     {}\n", end));
    if (!sound && faults != nullptr && faults->is_array()) {
      session.print("\n");
      session.print_table(kFaults, faults->get_array());
    }
  }
  if (sound) return Exit::ok;
  return fail(Exit::failed,
              "audit verify: the chain is not what was written; keep the state directory as it is, and "
              "compare it with a backup");
}

Result<int> export_all(const Filters& filters, Session& session) {
  auto query = query_of(filters, session);
  if (!query) return std::unexpected(query.error());
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  std::string cursor;
  do {
    Query page = *query;
    if (!cursor.empty()) page.emplace_back("cursor", cursor);
    auto answer = api->text(path_with("audit/export", page));
    if (!answer) return std::unexpected(answer.error());
    session.print(answer->body);
    cursor = answer->field("postern-cursor");
  } while (!cursor.empty());
  return Exit::ok;
}

void add_filters(CLI::App& verb, Filters& filters) {
  verb.add_option("--organization", filters.organization,
                  "whose events; a system administrator's default: the system's")
      ->type_name("ORG");
  verb.add_option("--since", filters.since, "not before: 30m, 12h or 7d ago, or a time")->type_name("SPAN");
  verb.add_option("--until", filters.until, "before: as --since")->type_name("SPAN");
  verb.add_option("--actor", filters.actor, "only of this one: tok_…, uid-0, system, browser, unknown");
  verb.add_option("--action", filters.action, "only this: connection.created, or 'connection.*'");
  verb.add_option("--subject", filters.subject, "only about this id");
  verb.add_option("--project", filters.project, "only of this project");
}

}  // namespace

void add_audit_verbs(CLI::App& root, Command& command) {
  CLI::App* noun = add_noun(root, "audit", "what was done, by whom");
  auto flags = std::make_shared<TailFlags>();
  CLI::App* verb = add_verb(*noun, "tail", "the last events, and the head to note for verify",
                            "postern audit tail -n 50 --organization org_default --since 1d");
  verb->add_option("-n,--lines", flags->most, "so many")->check(whole_number(1, 10'000))->capture_default_str();
  verb->add_flag("-f,--follow", flags->follow, "go on with what comes, until Ctrl-C");
  add_filters(*verb, flags->filters);
  verb->callback([&command, flags] { command.action = [flags](Session& session) { return tail(*flags, session); }; });

  auto filters = std::make_shared<Filters>();
  auto anchor = std::make_shared<std::string>();
  verb = add_verb(*noun, "verify",
                  "find events that were removed, changed, moved or cut off (exit 1), and say how many were not kept "
                  "because the quota is used up (exit 0); -q prints the head alone",
                  "postern audit verify --anchor 128:9f0c…");
  verb->add_option("--anchor", *anchor, "a head that was noted earlier: finds an older state that was put back")
      ->type_name("HEAD");
  verb->add_option("--organization", filters->organization, "whose; a system administrator's default: the system's")
      ->type_name("ORG");
  verb->callback([&command, filters, anchor] {
    command.action = [filters, anchor](Session& session) { return verify(*filters, *anchor, session); };
  });

  auto all = std::make_shared<Filters>();
  verb = add_verb(*noun, "export", "all events as JSON lines, the oldest first",
                  "postern audit export --organization org_default > audit.ndjson");
  add_filters(*verb, *all);
  verb->callback([&command, all] { command.action = [all](Session& session) { return export_all(*all, session); }; });
}

}  // namespace postern::cli
