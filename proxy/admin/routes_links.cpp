#include "proxy/admin/audit_event.hpp"
#include "proxy/admin/connect_link.hpp"
#include "proxy/admin/connection_write.hpp"
#include "proxy/admin/listing.hpp"

namespace postern::admin {
namespace {

constexpr std::int64_t kLongest = 600;  // seconds

// A link is seen by those who have a role in its project; one for a personal connection by who made it, its owner, and
// administrators.
std::expected<vault::Link, Problem> find(const Service& service, const Call& call) {
  const Caller& caller = call.caller;
  auto found = service.deps.vault->tokens().find_link(call.id);
  if (!found) return std::unexpected(vault_problem(found.error()));
  const auto role = caller.role_in(found->project);
  const bool here = found->organization == caller.organization() && role &&
                    (caller.project().empty() || found->project == caller.project());
  const bool others = found->scope == vault::Scope::personal && found->owner != caller.authorization.user &&
                      found->requested_by != caller.authorization.id;
  if (!here || (others && role != vault::Role::admin))
    return std::unexpected(vault_problem({vault::Error::Code::not_found, ""}));
  return std::move(*found);
}

}  // namespace

Answer create_link(Service& service, Call& call) {
  auto body = parse_body(call.request, false);
  if (!body) return std::unexpected(body.error());
  auto& object = body->get_object();
  LinkInput input;
  FieldReader reader(object);
  input.connection = reader.text("connection", 64);
  if (const auto* seconds = reader.value("expiresIn"); seconds != nullptr && !seconds->is_null()) {
    boost::system::error_code error;
    const auto n = seconds->is_number() ? seconds->to_number<std::int64_t>(error) : 0;
    if (error || n < 1 || n > kLongest)
      reader.mistake("expiresIn", "Has to be a number of seconds, 1 to 600.");
    else
      input.lifetime_ms = n * 1000;
  }
  input.device = reader.flag("device");
  auto errors = std::move(reader.errors);
  object.erase("connection");
  object.erase("expiresIn");
  object.erase("device");
  for (auto& error :
       read_connection_input(object,
                             {"authConfig", "provider", "app", "toolkitSlug", "auth", "name", "alias", "scope", "owner",
                              "endUser", "tags", "config", "scopes", "organization", "project"},
                             input))
    errors.push_back(std::move(error));
  if (!errors.empty()) return refuse_fields(std::move(errors));
  if (auto placed = enter(service, call.caller, input.organization, input.project, true); !placed)
    return std::unexpected(placed.error());
  // One that reconnects lies where its connection does.
  if (!input.connection) {
    if (auto placed = settle(call.caller, "connections:write"); !placed) return std::unexpected(placed.error());
  }
  auto made =
      make_link(service, call.caller, input, told(call, "link.created", {{"provider", input.app.value_or("")}}));
  if (!made) return std::unexpected(made.error());
  call.made_id = made->id;
  Response response = json_response(shown(service, *made), 201);
  response.fields.emplace_back("Location", "/api/v1/links/" + made->id);
  return response;
}

Answer show_link(Service& service, Call& call) {
  const auto found = find(service, call);
  if (!found) return std::unexpected(found.error());
  return json_response(shown(service, *found));
}

Answer delete_link(Service& service, Call& call) {
  const auto found = find(service, call);
  if (!found) return std::unexpected(found.error());
  if (!call.caller.may_in(found->project, "connections:write")) return refuse("not-permitted", kNotYours);
  auto gone = service.deps.vault->tokens().erase_link({found->organization, found->project}, found->id,
                                                      told(call, "link.deleted"));
  if (!gone) return std::unexpected(vault_problem(gone.error()));
  Response response;
  response.status = 204;
  return response;
}

}  // namespace postern::admin
