// 7 inject: the outbound head, built from nothing. What callers put where credentials go is left out, then exactly one
// of each injected field is added, last.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <random>

#include "proxy/serve/call.hpp"
#include "proxy/serve/spilled.hpp"
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

// The caller's part of the query, without what is taken out.
void append_callers_query(const Request& request, std::string& out) {
  const std::string_view query = request.target.query();
  if (!request.connection) {
    out.append(query);
    return;
  }
  const Known& known = *request.connection;
  const auto goes = [&](std::string_view name) { return drops_parameter(known, name); };
  wire::strip_query(query, goes, out);
}

void write_query(Request& request) {
  if (!request.target.query().empty()) {
    const std::size_t mark = request.out.size();
    request.out.append("?");
    append_callers_query(request, request.out);
    if (request.out.size() == mark + 1) request.out.resize(mark);
  }
  for (const inject::NameValue& parameter : request.changes.query)
    wire::append_query(request.out, parameter.name, parameter.value);
}

void write_target(Request& request) {
  if (request.base_mode) request.out.append(request.connection->base_path);
  request.out.append(request.changes.path_prefix);
  const std::string_view path = request.target.path_only();
  // OPTIONS of a whole server has the target "*"; behind a prefix it can only mean the prefix itself.
  request.out.append(path == "*" && (request.base_mode || !request.changes.path_prefix.empty()) ? "/" : path);
  write_query(request);
}

// The caller's cookies that go on with a credential.
void append_callers_cookies(const Request& request, std::string& cookies) {
  for (const wire::Field& field : request.head.fields.all()) {
    if (field.id != wire::FieldId::cookie || field.nominated) continue;
    std::string kept(field.value);
    for (const std::string& name : request.connection->strip_cookies) {
      std::string without;
      wire::strip_cookie(kept, name, without);
      kept = std::move(without);
    }
    if (!kept.empty()) cookies.append(cookies.empty() ? "" : "; ").append(kept);
  }
}

bool write_cookies(Request& request, wire::HeadWriter& writer) {
  const bool pass = request.connection && passes_cookies(*request.connection);
  if (request.changes.cookies.empty() && !pass) return true;
  std::string cookies;
  if (pass) append_callers_cookies(request, cookies);
  bool written = true;
  for (const inject::NameValue& cookie : request.changes.cookies) {
    written = written && wire::append_cookie(cookies, cookie.name, cookie.value);
  }
  written = written && (cookies.empty() || writer.field("Cookie", cookies));
  vault::wipe(cookies);
  return written;
}

Step write_fields(Request& request, wire::HeadWriter& writer) {
  const bool edits_cookies = request.connection != nullptr;
  for (const wire::Field& field : request.head.fields.all()) {
    if (edits_cookies && field.id == wire::FieldId::cookie) continue;
    const Fate fate = fate_of(request, field);
    if (fate == Fate::kept) {
      writer.parsed_field(field.name, field.value);
    } else if (fate == Fate::refused) {
      return refuse(Code::malformed_request,
                    "A field name spelled with '_' looks like one that this proxy injects; leave it out.");
    }
  }
  return {};
}

void write_framing(Request& request, wire::HeadWriter& writer) {
  if (request.collected || request.changes.body_replaced) {
    const std::uint64_t size = request.changes.body_replaced ? request.changes.body.size() : request.collected_size();
    if (size != 0 || request.head.body != wire::Body::none) writer.content_length(size);
  } else if (request.head.body == wire::Body::length) {
    writer.content_length(request.head.content_length);
  } else if (request.head.body == wire::Body::chunked) {
    writer.parsed_field("Transfer-Encoding", "chunked");
    request.chunked = true;
  }
}

void show_body_fields(const Request& request, inject::Inputs& in) {
  if (const auto* type = request.head.fields.find(wire::FieldId::content_type)) in.content_type = type->value;
  if (const auto* coding = request.head.fields.find(wire::FieldId::content_encoding))
    in.content_encoding = coding->value;
}

// As write_framing() will say it, if the injection does not replace the body.
std::string length_of(const Request& request) {
  if (request.collected)
    return request.collected_size() != 0 || request.head.body != wire::Body::none
               ? std::to_string(request.collected_size())
               : std::string();
  return request.head.body == wire::Body::length ? std::to_string(request.head.content_length) : std::string();
}

// The request as it goes out but for what the injection adds.
void show_outbound(const Request& request, std::string_view authority, inject::Inputs& in, Outbound& shown) {
  if (request.base_mode) shown.path = request.connection->base_path;
  const std::string_view path = request.target.path_only();
  shown.path.append(path == "*" && request.base_mode ? "/" : path);
  append_callers_query(request, shown.query);
  for (const wire::Field& field : request.head.fields.all())
    if (field.id != wire::FieldId::cookie && fate_of(request, field) == Fate::kept)
      shown.fields.push_back({field.name, field.value});
  if (passes_cookies(*request.connection)) append_callers_cookies(request, shown.cookies);
  if (!shown.cookies.empty()) shown.fields.push_back({"Cookie", shown.cookies});
  shown.length = length_of(request);
  if (!shown.length.empty()) shown.fields.push_back({"Content-Length", shown.length});
  in.authority = authority;
  in.path = shown.path;
  in.query = shown.query;
  in.fields = shown.fields;
  show_sent(request, in, shown);
  show_body_fields(request, in);
}

Problem cannot_apply(inject::Error error) {
  return Problem{Code::malformed_request, std::move(error.message), {}, std::move(error.pointer), {}};
}

// A signer is shown the whole request and the time; what it makes of them is added like any other change.
Step apply_signer(Request& request, const Common& common, std::string_view authority, inject::Inputs& in) {
  const inject::Injection& injection = *request.connection->injection;
  const std::uint8_t needs = injection.needs();
  Outbound shown;
  if ((needs & inject::needs_target) != 0) show_outbound(request, authority, in, shown);
  if ((needs & inject::needs_time) != 0) {
    in.now_ms = common.now_ms();
    shown.nonce = make_nonce();
    in.nonce = shown.nonce;
  }
  if ((needs & inject::needs_challenge) != 0) {
    in.challenge = request.answering.text;
    in.nonce = request.answering.client_nonce;
    in.challenge_count = request.answering.count;
  }
  const inject::HeldContent held(request.collected_body);
  std::optional<SpilledContent> spilled;
  if (request.spilled) spilled.emplace(*request.spilled);
  const bool without_body = request.head.body == wire::Body::none;
  if ((needs & inject::needs_body_hash) != 0 && (request.collected || without_body)) in.content = &held;
  if (in.content != nullptr && spilled) in.content = &*spilled;
  auto applied = injection.apply(in, request.changes);
  request.proofs.assign(request.changes.proofs.begin(), request.changes.proofs.end());
  if (applied) return {};
  return std::unexpected(cannot_apply(std::move(applied.error())));
}

// What is held of the body goes out with the head.
Step append_body(Request& request) {
  if (request.changes.body_replaced) {
    request.out.append(request.changes.body);
  } else if (request.collected && request.changes.transform) {
    wire::Transform& transform = *request.changes.transform;
    transform.feed(request.collected_body, request.out);
    transform.finish(request.out);
    if (transform.broken() != nullptr) return refuse(Code::malformed_request, transform.broken());
  } else if (request.collected) {
    request.out.append(request.collected_body);
  }
  return {};
}

constexpr std::uint8_t kOfSigners = inject::needs_target | inject::needs_time | inject::needs_body_hash;

Step apply(Request& request, const Common& common, std::string_view authority) {
  request.changes.clear();
  if (!request.connection) return {};
  inject::Inputs in;
  in.method = request.head.method;
  if (request.collected) {
    show_body_fields(request, in);
    in.body = request.collected_body;
  }
  const inject::Injection& injection = *request.connection->injection;
  if ((injection.needs() & kOfSigners) != 0) {
    Step step = apply_signer(request, common, authority, in);
    request.path_prefix = request.changes.path_prefix;
    return step;
  }
  auto applied = injection.apply(in, request.changes);
  request.path_prefix = request.changes.path_prefix;
  if (applied) return {};
  return std::unexpected(cannot_apply(std::move(applied.error())));
}

// Max-Forwards counts down (RFC 9110 section 7.6.2); what is no number goes on as it is.
std::string one_less(std::string_view hops) {
  unsigned value = 0;
  const auto [end, ec] = std::from_chars(hops.data(), hops.data() + hops.size(), value);
  if (ec != std::errc{} || end != hops.data() + hops.size() || value == 0) return std::string(hops);
  return std::to_string(value - 1);
}

}  // namespace

std::string make_nonce() {
  std::random_device random;
  std::string out;
  for (int i = 0; i < 4; ++i) out += fmt::format("{:08x}", static_cast<std::uint32_t>(random()));
  return out;
}

Fate fate_of(const Request& request, const wire::Field& field) {
  using wire::FieldId;
  if (wire::is_hop_by_hop(field.id)) return Fate::of_the_hop;
  if (field.nominated) return Fate::nominated;
  if (field.id == FieldId::expect)
    return request.head.expect_continue && !request.collected ? Fate::kept : Fate::met_here;
  if (field.id == FieldId::max_forwards && request.head.method == "OPTIONS") return Fate::counted_down;
  if (!request.token_field.empty() && field.value.data() == request.token_field.data()) return Fate::callers_token;
  if (!request.connection) return Fate::kept;
  // A new body has another digest (RFC 9530), no coding, and a type of its own where the caller gave none.
  if (request.changes.body_replaced &&
      (inject::describes_body(field.name) || (field.id == FieldId::content_type && field.value.empty()))) {
    return Fate::of_the_old_body;
  }
  const Known& known = *request.connection;
  const bool underscored = field.name.find('_') != std::string_view::npos;
  if (underscored && spells_an_injected_field(known, field.name)) return Fate::refused;
  if (names(known.strip_fields, field.name) || (underscored && spells_a_stripped_field(field.name)))
    return Fate::credential_place;
  if (wire::is_stripped_with_credential(field.id) && !passed(known, field.name)) return Fate::credential_place;
  return Fate::kept;
}

bool passes_cookies(const Known& known) {
  return passed(known, "cookie");
}

bool drops_parameter(const Known& known, std::string_view name) {
  if (std::find(known.strip_query.begin(), known.strip_query.end(), name) != known.strip_query.end()) return true;
  return wire::is_stripped_query_parameter(name) && !known.passes("query:" + std::string(name));
}

void show_sent(const Request& request, inject::Inputs& in, Outbound& shown) {
  for (const wire::Field& field : request.head.fields.all()) shown.sent.push_back({field.name, field.value});
  in.sent = shown.sent;
  in.sent_query = request.target.query();
}

Step inject(Request& request, const Common& common, std::string_view authority) {
  if (Step step = apply(request, common, authority); !step) return step;
  if (!request.out.empty()) vault::wipe(request.out);
  request.out.reserve(kUsualHead);
  request.chunked = false;
  request.upgrades = asks_for_websocket(request);
  wire::HeadWriter writer(request.out);
  request.out.append(request.head.method).append(" ");
  write_target(request);
  request.out.append(" HTTP/1.1\r\n");
  bool written = writer.field("Host", authority);
  if (Step step = write_fields(request, writer); !step) return step;
  written = written && writer.field("Via", request.head.minor == 0 ? common.via_10 : common.via_11);
  if (const auto* hops = request.head.fields.find(wire::FieldId::max_forwards);
      hops != nullptr && request.head.method == "OPTIONS") {
    written = written && writer.field("Max-Forwards", one_less(hops->value));
  }
  if (request.upgrades) {
    writer.parsed_field("Connection", "Upgrade");
    writer.parsed_field("Upgrade", "websocket");
  }
  written = written && write_cookies(request, writer);
  for (const inject::NameValue& field : request.changes.headers)
    written = written && writer.field(field.name, field.value);
  if (!request.changes.content_type.empty())
    written = written && writer.field("Content-Type", request.changes.content_type);
  write_framing(request, writer);
  writer.end();
  if (!written)
    return refuse(Code::internal_error,
                  "The request could not be written without breaking its framing; nothing was sent.");
  return append_body(request);
}

namespace {

// Reading a file back blocks; nobody else touches the call meanwhile.
net::Task<Step> inject_on_another_thread(Call& call) {
  co_return co_await call.service().common().body_offload->run(call.service().worker().context(), [&call] {
    return inject(call, call.service().common(), call.route->to().authority);
  });
}

}  // namespace

net::Soon<Step> inject(Call& call) {
  // What was asked before is answered once more; a count is never used twice. Looked up here: another thread may write.
  if (call.connection && call.connection->answers_challenges) call.answering = Challenges::answer(challenge_for(call));
  if (call.spilled) return inject_on_another_thread(call);
  return inject(call, call.service().common(), call.route->to().authority);
}

}  // namespace postern::serve
