#include "proxy/admin/audit_event.hpp"

#include "proxy/observe/log.hpp"

namespace postern::admin {
namespace {

vault::Event event_of(std::string action, Details detail) {
  vault::Event event;
  event.action = std::move(action);
  event.detail = std::move(detail);
  return event;
}

}  // namespace

vault::Beside told(const Request& request, const Caller& caller, std::string action, Details detail) {
  vault::Event event = event_of(std::move(action), std::move(detail));
  event.actor = caller.key();
  if (!caller.socket) event.actor_name = caller.authorization.name;
  event.request = request.id;
  return {.event = std::move(event), .answer = std::nullopt};
}

vault::Beside told(const vault::Link& link, std::string action, Details detail) {
  vault::Event event = event_of(std::move(action), std::move(detail));
  event.actor = "browser";
  event.detail["link"] = link.id;
  if (!link.requested_by.empty()) event.detail["requestedBy"] = link.requested_by;
  return {.event = std::move(event), .answer = std::nullopt};
}

void tell(const Service& service, const Call& call, std::string action, Details detail) {
  const std::string what = action;
  const auto kept = service.deps.vault->audit().append({*told(call, std::move(action), std::move(detail)).event});
  if (kept) return;
  observe::log_event(observe::Level::error, "audit-not-written", kept.error().message,
                     {{"request_id", call.request.id}, {"action", what}});
}

std::string names_of(const boost::json::object& body) {
  std::string names;
  for (const auto& member : body) names.append(names.empty() ? "" : ", ").append(member.key());
  return names;
}

}  // namespace postern::admin
