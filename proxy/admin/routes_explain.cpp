// POST /api/v1/explain: what would become of a request through the proxy (proxy/serve/explain has the answer; here is
// who may hear how much of it).
#include <algorithm>
#include <boost/json/array.hpp>

#include "proxy/admin/authorization_input.hpp"
#include "proxy/admin/connection_text.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;
using observe::Explanation;

constexpr std::size_t kMostUrl = 16 * 1024, kMostValue = 8 * 1024;
constexpr std::size_t kMostFields = 100;

// A line end or another control character would make two fields of one.
bool is_clean(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

bool is_name(std::string_view text) {
  return !text.empty() && is_clean(text) && text.find_first_of(" :") == std::string_view::npos;
}

// {"Accept": "text/html", "X-Twice": ["a", "b"]}
void read_fields(FieldReader& in, observe::Question& question) {
  const json::object* fields = in.object("headers");
  if (fields == nullptr) return;
  const auto add = [&](std::string_view name, const json::value& value) {
    if (!value.is_string() || value.get_string().size() > kMostValue || !is_clean(value.get_string()))
      return in.mistake("headers",
                        "Each value has to be a text of at most 8 KiB without control characters, or a list.");
    question.fields.emplace_back(name, value.get_string());
  };
  for (const auto& [name, value] : *fields) {
    if (!is_name(name)) {
      in.mistake("headers", "A name may hold neither spaces, colons nor control characters.");
    } else if (lower(name) == "proxy-authorization") {
      in.mistake("headers", "Leave Proxy-Authorization out: who calls is you, or whom `authorization` names.");
    } else if (value.is_array()) {
      for (const json::value& one : value.get_array()) add(name, one);
    } else {
      add(name, value);
    }
  }
  if (question.fields.size() > kMostFields) in.mistake("headers", "At most 100 of them.");
}

struct Asked {
  observe::Question question;
  std::string authorization;  // empty: whoever asks
};

std::expected<Asked, Problem> read_question(const json::object& body) {
  FieldReader in(body);
  in.refuse_unknown({"connection", "method", "url", "authorization", "headers"});
  Asked asked;
  const auto text = [&](const char* name, std::size_t most) {
    auto found = in.text(name, most);
    if (found && !is_clean(*found)) in.mistake(name, "Has to be without control characters.");
    return found.value_or("");
  };
  asked.question.connection = text("connection", 64);
  if (auto method = text("method", 64); !method.empty()) asked.question.method = std::move(method);
  asked.question.url = text("url", kMostUrl);
  asked.authorization = text("authorization", 64);
  if (asked.question.url.empty() && in.errors.empty())
    in.mistake("url", "Is needed: what the request line would hold, http://host/path.");
  read_fields(in, asked.question);
  if (!in.errors.empty()) return refuse_fields(std::move(in.errors));
  return asked;
}

const char* text_of(observe::Decision decision) {
  switch (decision) {
    case observe::Decision::allowed:
      return "allowed";
    case observe::Decision::refused:
      return "refused";
    case observe::Decision::skipped:
      break;
  }
  return "skipped";
}

const char* text_of(observe::Outcome outcome) {
  switch (outcome) {
    case observe::Outcome::forwarded:
      return "forwarded";
    case observe::Outcome::answered:
      return "answered";
    case observe::Outcome::refused:
      break;
  }
  return "refused";
}

// How much of an answer its asker may hear.
struct Hears {
  bool rules = false;    // may use the connection, or see it
  bool reasons = false;  // sees it
};

json::array shown_steps(const Explanation& answer, Hears hears) {
  json::array out;
  for (const Explanation::Part& part : answer.steps) {
    json::object one;
    one["step"] = part.step;
    one["name"] = part.name;
    one["decision"] = text_of(part.decision);
    one["rule"] = text_or_null(hears.rules ? part.rule : "");
    one["detail"] = text_or_null(hears.rules ? part.detail : "");
    one["reason"] = text_or_null(hears.reasons ? part.reason : "");
    out.push_back(std::move(one));
  }
  return out;
}

json::value shown_token(const Explanation& answer) {
  if (!answer.token) return nullptr;
  json::object out;
  out["state"] = answer.token->state;
  out["expires"] = answer.token->expires_ms ? time_or_null(*answer.token->expires_ms) : nullptr;
  out["remaining"] = answer.token->remaining_ms ? json::value(*answer.token->remaining_ms / 1'000) : json::value();
  out["next"] = answer.token->next;
  return out;
}

json::value shown_request(const Explanation& answer) {
  if (!answer.request) return nullptr;
  json::array fields, removed;
  for (const auto& field : answer.request->fields)
    fields.push_back(json::object{{"name", field.name}, {"value", field.value}, {"from", field.from}});
  for (const auto& field : answer.request->removed)
    removed.push_back(json::object{{"place", field.place}, {"name", field.name}, {"reason", field.reason}});
  json::object out;
  out["method"] = answer.request->method;
  out["target"] = answer.request->target;
  out["to"] = answer.request->to;
  out["fields"] = std::move(fields);
  out["removed"] = std::move(removed);
  return out;
}

json::object shown(const Explanation& answer, Hears hears) {
  const bool refused = answer.outcome == observe::Outcome::refused;
  json::object out;
  out["outcome"] = text_of(answer.outcome);
  out["code"] = text_or_null(answer.code);
  out["status"] = answer.status == 0 ? json::value() : json::value(answer.status);
  out["detail"] = refused && hears.rules ? text_or_null(answer.detail) : json::value();
  out["authorization"] = text_or_null(answer.caller);
  out["connection"] = text_or_null(hears.reasons || (hears.rules && answer.found) ? answer.connection : "");
  out["choices"] = hears.rules ? json::array(answer.choices.begin(), answer.choices.end()) : json::array();
  out["connectUrl"] = text_or_null(hears.rules ? answer.connect_url : "");
  out["steps"] = shown_steps(answer, hears);
  out["token"] = hears.rules ? shown_token(answer) : json::value();
  out["request"] = hears.rules ? shown_request(answer) : json::value();
  return out;
}

}  // namespace

// By default about the caller itself, which needs no capability: it hears what the proxy would say. About another
// authorization for whoever may read that one; of the connection it hears what it could see of it anyway.
Answer explain(Service& service, Call& call) {
  auto body = parse_body(call.request, false);
  if (!body) return std::unexpected(body.error());
  auto asked = read_question(body->get_object());
  if (!asked) return std::unexpected(asked.error());
  vault::Authorization whose = call.caller.authorization;
  const bool own = asked->authorization.empty() || asked->authorization == whose.id;
  if (!own) {
    if (!call.caller.may("authorizations:read"))
      return refuse("not-permitted", "Your authorization does not have the capability authorizations:read.");
    auto found = find_authorization(service, call.caller, asked->authorization);
    if (!found) return std::unexpected(found.error());
    whose = std::move(*found);
  }
  asked->question.organization = whose.organization;
  asked->question.authorization = whose.id;
  asked->question.user = whose.user;
  asked->question.reasons = call.caller.may("connections:read");
  auto answer = service.deps.explain ? service.deps.explain(asked->question) : std::nullopt;
  if (!answer) return refuse("not-ready", "Not ready yet; ask again.");
  const auto seen = [&](const std::string& connection) {
    return asked->question.reasons && find_connection(service, call.caller, connection).has_value();
  };
  if (!own) std::erase_if(answer->choices, [&](const std::string& choice) { return !seen(choice); });
  const bool sees = seen(answer->connection);
  // Where no connection was found there is nothing to hide, and unknown looks like foreign.
  return json_response(shown(*answer, {.rules = own || sees || !answer->found, .reasons = sees}));
}

}  // namespace postern::admin
