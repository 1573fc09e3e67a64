// The audit: what was done, read, exported and verified. A page costs a page; a verification runs beside the admin
// thread, because it reads a whole chain.
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>

#include "proxy/admin/body.hpp"
#include "proxy/admin/listing.hpp"
#include "proxy/admin/routes.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;

constexpr std::size_t kDefaultPage = 10, kMostPage = 100, kExportPage = 1000;
constexpr std::size_t kVerifyStep = 1000;
constexpr std::size_t kMostText = 255;

// An organization that is gone is still told about.
bool has_chain(const Service& service, const std::string& organization) {
  if (service.deps.vault->scopes().find_organization(organization)) return true;
  const auto page = service.deps.vault->audit().list({.organization = organization, .limit = 1});
  return !page || !page->events.empty();
}

// Whose chain a call is about. A system caller: the system's, or the named organization's. Others: their own.
std::expected<std::string, Problem> chain_of(const Service& service, const Call& call,
                                             const std::optional<std::string>& wanted) {
  const bool system = call.caller.system();
  const std::string_view needed = system ? "system:audit" : "audit:read";
  if (!call.caller.may(needed))
    return refuse("not-permitted", "Your authorization does not have the capability " + std::string(needed) + ".");
  const std::string own = system ? std::string() : call.caller.organization();
  if (!wanted || *wanted == own) return own;
  if (system && vault::is_reference(*wanted) && has_chain(service, *wanted)) return *wanted;
  return refuse("not-found", "There is no such organization here.");
}

std::optional<std::size_t> count_in(const std::string& text, std::size_t most) {
  std::size_t number = 0;
  const auto* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  if (read.ec != std::errc() || read.ptr != end || number < 1 || number > most) return std::nullopt;
  return number;
}

struct Asked {
  vault::AuditQuery query;
  std::optional<std::string> organization;
};

std::expected<void, Problem> take(Asked& asked, const std::string& key, const std::string& value, std::size_t most) {
  vault::AuditQuery& query = asked.query;
  if (value.size() > kMostText) return refuse_parameter(key, "Is too long.");
  for (const auto& [name, into] : {std::pair("actor", &query.actor), std::pair("action", &query.action),
                                   std::pair("subject", &query.subject), std::pair("project", &query.project)}) {
    if (key == name) return *into = value, std::expected<void, Problem>();
  }
  for (const auto& [name, into] : {std::pair("since", &query.since), std::pair("until", &query.until)}) {
    if (key != name) continue;
    const auto time = parse_time(value);
    if (!time) return refuse_parameter(key, "Has to be a time, like 2026-01-02T03:04:05Z.");
    *into = *time;
    return {};
  }
  if (key == "limit") {
    const auto limit = count_in(value, most);
    if (!limit) return refuse_parameter(key, "Has to be a number of 1 to " + std::to_string(most) + ".");
    query.limit = *limit;
  } else if (key == "cursor") {
    const auto after = count_in(value, SIZE_MAX);
    if (!after) return refuse_parameter(key, "Is not the cursor of an answer.");
    query.after = *after;
  } else if (key == "sortOrder") {
    if (lower(value) != "asc" && lower(value) != "desc") return refuse_parameter(key, "Has to be ASC or DESC.");
    query.descending = lower(value) == "desc";
  } else if (key == "organization") {
    asked.organization = value;
  } else {
    return refuse_parameter(is_plain_name(key) ? key : "", "There is no such parameter here.");
  }
  return {};
}

// What is of the organization as a whole is for those who have every project of it; others see one of theirs.
std::expected<void, Problem> keep_to_project(const Caller& caller, std::string& project) {
  const auto reach = vault::reach(caller.authorization, caller.user ? &*caller.user : nullptr, "audit:read");
  if (caller.system() || reach.every) return {};
  if (project.empty() && reach.projects.size() != 1)
    return refuse_parameter("project", "Name it: your authorization has several.");
  if (project.empty()) project = reach.projects.front();
  if (!reach.contains(project)) return refuse("not-found", "There is no such project here.");
  return {};
}

std::expected<vault::AuditQuery, Problem> read_query(const Service& service, const Call& call, std::size_t limit,
                                                     std::size_t most) {
  Asked asked;
  asked.query.limit = limit;
  for (const auto& [key, value] : call.url.parameters)
    if (auto taken = take(asked, key, value, most); !taken) return std::unexpected(taken.error());
  auto chain = chain_of(service, call, asked.organization);
  if (!chain) return std::unexpected(chain.error());
  asked.query.organization = std::move(*chain);
  if (auto kept = keep_to_project(call.caller, asked.query.project); !kept) return std::unexpected(kept.error());
  return std::move(asked.query);
}

json::object shown(const vault::Event& event) {
  json::object detail;
  for (const auto& [name, value] : event.detail) detail[name] = value;
  json::object out;
  out["sequence"] = event.sequence;
  out["time"] = to_time(event.time);
  out["organization"] = text_or_null(event.organization);
  out["project"] = text_or_null(event.project);
  out["actor"] = event.actor;
  out["actorName"] = text_or_null(event.actor_name);
  out["request"] = text_or_null(event.request);
  out["action"] = event.action;
  out["subject"] = text_or_null(event.subject);
  out["detail"] = std::move(detail);
  out["count"] = event.count;
  out["first"] = time_or_null(event.first);
  out["last"] = time_or_null(event.last);
  out["missed"] = event.missed;
  out["missedSince"] = time_or_null(event.missed_since);
  out["anchor"] = vault::to_text({event.sequence, event.mac});
  return out;
}

json::value anchor_or_null(const vault::AuditAnchor& anchor) {
  if (anchor.sequence == 0) return nullptr;
  return json::string(vault::to_text(anchor));
}

json::object shown(const vault::AuditHead& head) {
  json::object out;
  out["anchor"] = anchor_or_null(head.end);
  out["checkpoint"] = anchor_or_null(head.checkpoint);
  out["checkpointTime"] = time_or_null(head.checkpoint_time);
  out["bytes"] = head.bytes;
  out["dropped"] = head.dropped;
  out["droppedSince"] = time_or_null(head.dropped_since);
  return out;
}

}  // namespace

Answer list_audit(Service& service, Call& call) {
  const auto query = read_query(service, call, kDefaultPage, kMostPage);
  if (!query) return std::unexpected(query.error());
  // The head first: every event that it does not name came later.
  const auto head = service.deps.vault->audit().head(query->organization);
  if (!head) return std::unexpected(vault_problem(head.error()));
  const auto page = service.deps.vault->audit().list(*query);
  if (!page) return std::unexpected(vault_problem(page.error()));
  json::array data;
  for (const auto& event : page->events) data.push_back(shown(event));
  json::object out;
  out["data"] = std::move(data);
  out["cursor"] = page->next == 0 ? json::value(nullptr) : json::value(std::to_string(page->next));
  out["hasMore"] = page->next != 0;
  out["head"] = shown(*head);
  return json_response(out);
}

// One event a line, the oldest first unless asked otherwise; a page of them, with a Link to the next.
Answer export_audit(Service& service, Call& call) {
  auto query = read_query(service, call, kExportPage, kExportPage);
  if (!query) return std::unexpected(query.error());
  bool ordered = false;
  for (const auto& [key, value] : call.url.parameters) ordered = ordered || key == "sortOrder";
  if (!ordered) query->descending = false;
  const auto page = service.deps.vault->audit().list(*query);
  if (!page) return std::unexpected(vault_problem(page.error()));
  Response response;
  response.content_type = "application/x-ndjson";
  for (const auto& event : page->events) {
    const std::string line = json::serialize(shown(event));
    response.body.append(line.data(), line.size()).append(1, '\n');
  }
  if (page->next != 0) response.fields.emplace_back("Postern-Cursor", std::to_string(page->next));
  return response;
}

Answer verify_audit(Service& service, Call& call) {
  std::optional<std::string> organization;
  for (const auto& [key, value] : call.url.parameters) {
    if (key != "organization")
      return refuse_parameter(is_plain_name(key) ? key : "", "There is no such parameter here.");
    organization = value;
  }
  const auto chain = chain_of(service, call, organization);
  if (!chain) return std::unexpected(chain.error());
  auto body = parse_body(call.request, true);
  if (!body) return std::unexpected(body.error());
  FieldReader in(body->get_object());
  in.refuse_unknown({"anchor"});
  vault::AuditCheck check{.organization = *chain};
  if (const auto anchor = in.text("anchor", kMostText)) {
    check.anchor = vault::parse_anchor(*anchor);
    if (!check.anchor) in.mistake("anchor", "Has to be SEQUENCE:HMAC, as an earlier answer named it.");
  }
  if (!in.errors.empty()) return refuse_fields(std::move(in.errors));
  while (!check.done) {
    const auto step = service.deps.vault->audit().check(check, kVerifyStep);
    if (!step && step.error().code == vault::Error::Code::invalid)
      return refuse_fields({{.pointer = "/anchor",
                             .parameter = "",
                             .detail = "Lies before what retention has kept: compare with a later one."}});
    if (!step) return std::unexpected(vault_problem(step.error()));
  }
  json::array faults;
  for (const auto& fault : check.faults)
    faults.push_back(json::object{{"sequence", fault.sequence}, {"what", fault.what}});
  json::object out;
  out["ok"] = check.faults.empty();
  out["checked"] = check.checked;
  out["first"] = check.first == 0 ? json::value(nullptr) : json::value(check.first);
  out["head"] = shown(check.head);
  out["faults"] = std::move(faults);
  return json_response(out);
}

}  // namespace postern::admin
