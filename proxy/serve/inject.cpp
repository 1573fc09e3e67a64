// 7 inject: the outbound head, built from nothing. What callers put where credentials go is left out, then exactly one
// of each injected field is added, last.
#include <algorithm>
#include <charconv>

#include "proxy/serve/call.hpp"
#include "proxy/wire/field_policy.hpp"
#include "proxy/wire/rewrite.hpp"
#include "proxy/wire/writer.hpp"

namespace postern::serve {
namespace {

constexpr std::size_t kUsualHead = 1024;  // so that it seldom grows, leaving a copy of what is secret behind

bool names(const std::vector<std::string>& lower_names, std::string_view name) {
  return std::any_of(lower_names.begin(), lower_names.end(),
                     [&](const std::string& n) { return wire::iequals(n, name); });
}

// Some servers read X_Api_Key as X-Api-Key: such a spelling of an injected field is refused, not guessed about.
bool spells_an_injected_field(const Known& known, std::string_view name) {
  return std::any_of(known.strip_fields.begin(), known.strip_fields.end(),
                     [&](const std::string& canonical) { return wire::is_underscore_spelling(name, canonical); });
}

// X_Api_Key and the like: what some servers read as a field that never goes out with a credential.
bool spells_a_stripped_field(std::string_view name) {
  char dashed[64];  // longer names can only be of a family, which is known by its beginning
  name = name.substr(0, sizeof dashed);
  std::replace_copy(name.begin(), name.end(), dashed, '_', '-');
  const wire::FieldId id = wire::identify_field({dashed, name.size()});
  return wire::is_stripped_with_credential(id) || wire::is_hop_by_hop(id);
}

bool passed(const Known& known, std::string_view name) {
  return !known.pass.empty() && names(known.pass, name);
}

bool is_digest(std::string_view name) {
  return wire::iequals(name, "Content-MD5") || wire::iequals(name, "Digest") || wire::iequals(name, "Content-Digest") ||
         wire::iequals(name, "Repr-Digest");
}

enum class Keep : std::uint8_t { no, yes, refuse };

Keep keeps(const Call& call, const wire::Field& field) {
  using wire::FieldId;
  if (wire::is_hop_by_hop(field.id) || field.nominated) return Keep::no;
  if (field.id == FieldId::expect) return call.head.expect_continue && !call.collected ? Keep::yes : Keep::no;
  if (field.id == FieldId::max_forwards && call.head.method == "OPTIONS") return Keep::no;  // rewritten, one less
  if (!call.token_field.empty() && field.value.data() == call.token_field.data()) return Keep::no;
  if (!call.connection) return Keep::yes;
  // A new body has another digest (RFC 9530), no coding, and a type of its own where the caller gave none.
  if (call.changes.body_replaced && (is_digest(field.name) || field.id == FieldId::content_encoding ||
                                     (field.id == FieldId::content_type && field.value.empty()))) {
    return Keep::no;
  }
  const Known& known = *call.connection;
  const bool underscored = field.name.find('_') != std::string_view::npos;
  if (underscored && spells_an_injected_field(known, field.name)) return Keep::refuse;
  if (names(known.strip_fields, field.name) || (underscored && spells_a_stripped_field(field.name))) return Keep::no;
  if (wire::is_stripped_with_credential(field.id)) return passed(known, field.name) ? Keep::yes : Keep::no;
  return Keep::yes;
}

void write_query(Call& call) {
  const std::string_view query = call.target.query();
  if (!query.empty()) {
    const std::size_t mark = call.out.size();
    call.out.append("?");
    if (!call.connection) {
      call.out.append(query);
    } else {
      const Known& known = *call.connection;
      const auto goes = [&](std::string_view name) {
        if (std::find(known.strip_query.begin(), known.strip_query.end(), name) != known.strip_query.end()) return true;
        return wire::is_stripped_query_parameter(name) && !known.passes("query:" + std::string(name));
      };
      wire::strip_query(query, goes, call.out);
      if (call.out.size() == mark + 1) call.out.resize(mark);
    }
  }
  for (const inject::NameValue& parameter : call.changes.query)
    wire::append_query(call.out, parameter.name, parameter.value);
}

void write_target(Call& call) {
  if (call.base_mode) call.out.append(call.connection->base_path);
  call.out.append(call.changes.path_prefix);
  const std::string_view path = call.target.path_only();
  // OPTIONS of a whole server has the target "*"; behind a prefix it can only mean the prefix itself.
  call.out.append(path == "*" && (call.base_mode || !call.changes.path_prefix.empty()) ? "/" : path);
  write_query(call);
}

bool write_cookies(Call& call, wire::HeadWriter& writer) {
  const bool pass = call.connection && passed(*call.connection, "cookie");
  if (call.changes.cookies.empty() && !pass) return true;
  std::string cookies;
  for (const wire::Field& field : call.head.fields.all()) {
    if (field.id != wire::FieldId::cookie || field.nominated || !pass) continue;
    std::string kept(field.value);
    for (const std::string& name : call.connection->strip_cookies) {
      std::string without;
      wire::strip_cookie(kept, name, without);
      kept = std::move(without);
    }
    if (!kept.empty()) cookies.append(cookies.empty() ? "" : "; ").append(kept);
  }
  bool written = true;
  for (const inject::NameValue& cookie : call.changes.cookies) {
    written = written && wire::append_cookie(cookies, cookie.name, cookie.value);
  }
  written = written && (cookies.empty() || writer.field("Cookie", cookies));
  vault::wipe(cookies);
  return written;
}

Step write_fields(Call& call, wire::HeadWriter& writer) {
  const bool edits_cookies = call.connection != nullptr;
  for (const wire::Field& field : call.head.fields.all()) {
    if (edits_cookies && field.id == wire::FieldId::cookie) continue;
    switch (keeps(call, field)) {
      case Keep::yes:
        writer.parsed_field(field.name, field.value);
        break;
      case Keep::no:
        break;
      case Keep::refuse:
        return refuse(Code::malformed_request,
                      "A field name spelled with '_' looks like one that this proxy injects; leave it out.");
    }
  }
  return {};
}

void write_framing(Call& call, wire::HeadWriter& writer) {
  if (call.collected || call.changes.body_replaced) {
    const std::size_t size = call.changes.body_replaced ? call.changes.body.size() : call.collected_body.size();
    if (size != 0 || call.head.body != wire::Body::none) writer.content_length(size);
  } else if (call.head.body == wire::Body::length) {
    writer.content_length(call.head.content_length);
  } else if (call.head.body == wire::Body::chunked) {
    writer.parsed_field("Transfer-Encoding", "chunked");
    call.chunked = true;
  }
}

Step apply(Call& call) {
  call.changes.clear();
  if (!call.connection) return {};
  inject::Inputs in;
  in.method = call.head.method;
  if (call.collected) {
    if (const auto* type = call.head.fields.find(wire::FieldId::content_type)) in.content_type = type->value;
    if (const auto* coding = call.head.fields.find(wire::FieldId::content_encoding))
      in.content_encoding = coding->value;
    in.body = call.collected_body;
  }
  const auto applied = call.connection->injection->apply(in, call.changes);
  call.path_prefix = call.changes.path_prefix;
  if (applied) return {};
  Problem p{Code::malformed_request, applied.error().message, {}, applied.error().pointer, {}};
  return std::unexpected(std::move(p));
}

// Max-Forwards counts down (RFC 9110 section 7.6.2); what is no number goes on as it is.
std::string one_less(std::string_view hops) {
  unsigned value = 0;
  const auto [end, ec] = std::from_chars(hops.data(), hops.data() + hops.size(), value);
  if (ec != std::errc{} || end != hops.data() + hops.size() || value == 0) return std::string(hops);
  return std::to_string(value - 1);
}

}  // namespace

Step inject(Call& call) {
  if (Step step = apply(call); !step) return step;
  if (!call.out.empty()) vault::wipe(call.out);
  call.out.reserve(kUsualHead);
  call.chunked = false;
  wire::HeadWriter writer(call.out);
  call.out.append(call.head.method).append(" ");
  write_target(call);
  call.out.append(" HTTP/1.1\r\n");
  bool written = writer.field("Host", call.route->to().authority);
  if (Step step = write_fields(call, writer); !step) return step;
  written = written &&
            writer.field("Via", call.head.minor == 0 ? call.service().common().via_10 : call.service().common().via_11);
  if (const auto* hops = call.head.fields.find(wire::FieldId::max_forwards);
      hops != nullptr && call.head.method == "OPTIONS") {
    written = written && writer.field("Max-Forwards", one_less(hops->value));
  }
  written = written && write_cookies(call, writer);
  for (const inject::NameValue& field : call.changes.headers)
    written = written && writer.field(field.name, field.value);
  if (!call.changes.content_type.empty()) written = written && writer.field("Content-Type", call.changes.content_type);
  write_framing(call, writer);
  writer.end();
  if (!written)
    return refuse(Code::internal_error,
                  "The request could not be written without breaking its framing; nothing was sent.");
  if (call.changes.body_replaced)
    call.out.append(call.changes.body);
  else if (call.collected)
    call.out.append(call.collected_body);
  return {};
}

}  // namespace postern::serve
