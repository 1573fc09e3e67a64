#include "proxy/serve/explain_head.hpp"

#include <algorithm>

#include "proxy/serve/load.hpp"
#include "proxy/wire/rewrite.hpp"

namespace postern::serve {
namespace {

using observe::Explanation;

constexpr std::string_view kRedacted = "«redacted»", kAsSent = "«as sent»", kOfTheBody = "«by the body»";

std::string without_placeholders(std::string_view text) {
  std::string out(text);
  for (auto at = out.find(kPlaceholder); at != std::string::npos; at = out.find(kPlaceholder, at + kRedacted.size()))
    out.replace(at, kPlaceholder.size(), kRedacted);
  return out;
}

bool is_injected(const Request& request, std::string_view name) {
  const auto& headers = request.changes.headers;
  return std::any_of(headers.begin(), headers.end(), [&](const auto& h) { return wire::iequals(h.name, name); });
}

std::string cookies_of(const Request& request) {
  std::string out;
  if (request.connection && passes_cookies(*request.connection) &&
      request.head.fields.find(wire::FieldId::cookie) != nullptr)
    out = kAsSent;
  for (const inject::NameValue& cookie : request.changes.cookies)
    out.append(out.empty() ? "" : "; ").append(cookie.name).append("=").append(kRedacted);
  return out;
}

// Host first, the caller's up to our own Via, which is the last one; then ours.
std::vector<Explanation::Field> fields_of(const Request& request, const wire::RequestHead& head) {
  const auto fields = head.fields.all();
  std::size_t via = 0;
  for (std::size_t i = 0; i < fields.size(); ++i)
    if (fields[i].id == wire::FieldId::via) via = i;
  std::vector<Explanation::Field> out;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const wire::Field& field = fields[i];
    const std::string name(field.name);
    if (i != 0 && i < via) {
      out.push_back({name, std::string(kAsSent), "caller"});
    } else if (i > via && field.id == wire::FieldId::cookie && !is_injected(request, field.name)) {
      out.push_back({name, cookies_of(request), request.changes.cookies.empty() ? "caller" : "connection"});
    } else if (i > via && is_injected(request, field.name)) {
      out.push_back({name, without_placeholders(field.value), "connection"});
    } else {
      const bool of_the_body = request.collected && field.id == wire::FieldId::content_length;
      out.push_back({name, std::string(of_the_body ? kOfTheBody : field.value), "proxy"});
    }
  }
  return out;
}

const char* text_of(Fate fate) {
  switch (fate) {
    case Fate::of_the_hop:
      return "belongs to the connection to this proxy, or is the proxy's own";
    case Fate::nominated:
      return "a Connection field names it";
    case Fate::met_here:
      return "answered by this proxy, which collects the body";
    case Fate::counted_down:
      return "goes on as one less";
    case Fate::callers_token:
      return "it holds the caller's token";
    case Fate::of_the_old_body:
      return "it describes the body that is replaced";
    case Fate::credential_place:
      return "credentials or routes go there, and only the connection's go out";
    case Fate::kept:
    case Fate::refused:
      break;
  }
  return "";
}

// The fields that framing, naming and the proxy rewrite as a matter of course are not worth a line.
bool is_rebuilt(const Request& request, wire::FieldId id) {
  if (request.upgrades && (id == wire::FieldId::connection || id == wire::FieldId::upgrade)) return true;
  return id == wire::FieldId::host || id == wire::FieldId::content_length || id == wire::FieldId::transfer_encoding ||
         id == wire::FieldId::x_connection_id;
}

std::vector<Explanation::Removed> removed_of(const Request& request) {
  std::vector<Explanation::Removed> out;
  for (const wire::Field& field : request.head.fields.all()) {
    if (is_rebuilt(request, field.id)) continue;
    const std::string name(field.name);
    if (request.connection && field.id == wire::FieldId::cookie && !field.nominated) {
      if (!passes_cookies(*request.connection))
        out.push_back({"header", name, "cookies of the caller do not go out with a credential"});
      continue;
    }
    const Fate fate = fate_of(request, field);
    if (fate != Fate::kept) out.push_back({"header", name, text_of(fate)});
  }
  if (!request.connection) return out;
  std::string rest;
  const auto note = [&](std::string_view name) {
    const bool goes = drops_parameter(*request.connection, name);
    if (goes) out.push_back({"query", std::string(name), text_of(Fate::credential_place)});
    return goes;
  };
  wire::strip_query(request.target.query(), note, rest);
  return out;
}

}  // namespace

Explanation::Head explain_head(const Request& request, const net::Destination& to) {
  Explanation::Head out;
  wire::RequestHead head;
  wire::Refusal why;
  if (wire::parse_request_head(request.out, head, why) != wire::Parse::done)
    return out;  // what we wrote is well-formed
  out.method = head.method;
  out.target = without_placeholders(head.target);
  out.to = "https://" + to.authority;
  out.fields = fields_of(request, head);
  out.removed = removed_of(request);
  return out;
}

}  // namespace postern::serve
