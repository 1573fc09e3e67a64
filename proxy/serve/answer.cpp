#include "proxy/serve/answer.hpp"

#include <algorithm>

#include "proxy/wire/field_policy.hpp"
#include "proxy/wire/rewrite.hpp"
#include "proxy/wire/writer.hpp"

namespace postern::serve {
namespace {

using Out = net::Exchange::Out;
using wire::FieldId;

// Only a request that came without TLS has its targets rewritten, so that the next call comes back through us.
bool rewrites(const Call& call, FieldId id) {
  if (id != FieldId::location && id != FieldId::content_location && id != FieldId::link && id != FieldId::refresh)
    return false;
  return call.base_mode || !call.target.tls_scheme;
}

bool is_ours(const Call& call, std::string_view host, std::uint16_t port) {
  if (call.base_mode) return host == call.target.host && port == call.target.port;
  if (!call.connection) return egress_allows(call.settings(), host, port);
  for (const vault::Destination& d : call.connection->meta.destinations) {
    if (d.host == host && d.port == port) return true;
  }
  return false;
}

wire::CallerForm caller_form(const Call& call) {
  wire::CallerForm form;
  form.base_url = call.base_mode;
  form.tls_scheme = call.target.tls_scheme;
  form.internal_suffix = call.target.internal_suffix;
  if (call.base_mode) {
    if (const auto* host = call.head.fields.find(FieldId::host)) form.host = host->value;
    form.connection = call.target.base_connection;
    form.base_path = call.connection->base_path;
  }
  return form;
}

bool dropped(const Call& call, const wire::Field& field) {
  if (wire::is_hop_by_hop(field.id) || field.nominated) return true;
  if (call.masks_answer && wire::mask(field.name, call.hidden)) return true;
  if (!call.connection || !wire::is_dropped_from_answer(field.id)) return false;
  std::string name(field.name);
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return !call.connection->passes(name);
}

void write_field(Call& call, wire::HeadWriter& writer, const wire::Field& field) {
  std::string_view value = field.value;
  std::optional<std::string> rewritten, masked;
  if (rewrites(call, field.id)) {
    rewritten =
        wire::rewrite_references(field.id, value, caller_form(call),
                                 [&](std::string_view host, std::uint16_t port) { return is_ours(call, host, port); });
    if (rewritten) value = *rewritten;
    // The next call gets the injected prefix anew: it does not belong into what the caller sees.
    if (const auto at = value.find(call.path_prefix); !call.path_prefix.empty() && at != std::string_view::npos) {
      rewritten = std::string(value.substr(0, at)).append(value.substr(at + call.path_prefix.size()));
      value = *rewritten;
    }
  }
  if (call.masks_answer) {
    masked = wire::mask(value, call.hidden);
    if (masked) value = *masked;
  }
  writer.parsed_field(field.name, value);
}

void write_fields(Call& call, wire::HeadWriter& writer) {
  for (const wire::Field& field : call.answer.fields.all()) {
    if (!dropped(call, field)) write_field(call, writer, field);
  }
  writer.parsed_field("Via", call.answer.minor == 0 ? call.service().common().via_10 : call.service().common().via_11);
}

std::string_view whole_head(const Call& call) {
  const auto fields = call.answer.fields.all();
  const std::string_view reason = call.answer.reason;
  if (fields.empty()) return reason;
  const char* const begin = reason.empty() ? fields.front().name.data() : reason.data();
  const char* const end = fields.back().value.data() + fields.back().value.size();
  return {begin, static_cast<std::size_t>(end - begin)};
}

// One look at the whole head, from the reason phrase to the last value, instead of one at each part: almost every
// answer ends here.
bool may_show_a_secret(const Call& call) {
  if (!call.connection) return false;
  if (!call.connection->probes.empty() && wire::may_hold(whole_head(call), call.connection->probes)) return true;
  return std::any_of(call.proofs.begin(), call.proofs.end(),
                     [&](std::string_view proof) { return wire::may_hold(whole_head(call), {&proof, 1}); });
}

void collect_hidden(Call& call) {
  call.hidden.assign(call.connection->masks.begin(), call.connection->masks.end());
  call.hidden.insert(call.hidden.end(), call.proofs.begin(), call.proofs.end());
}

void start_head(Call& call, wire::HeadWriter& writer) {
  call.answer_head.clear();
  std::optional<std::string> masked;
  std::string_view reason = call.answer.reason;
  call.masks_answer = may_show_a_secret(call);
  if (call.masks_answer) collect_hidden(call);
  if (call.masks_answer) masked = wire::mask(reason, call.hidden);
  if (masked) reason = *masked;
  static_cast<void>(writer.status_line(call.answer.status, reason));
}

}  // namespace

Out framing_to_caller(const Call& call) {
  switch (call.answer.body) {
    case wire::Body::none:
      return Out::none;
    case wire::Body::length:
      return Out::length;
    case wire::Body::chunked:
    case wire::Body::until_close:
      break;
  }
  // What ends with the connection upstream is sent in chunks, so that its end can be told from a cut.
  return call.head.minor >= 1 ? Out::chunked : Out::until_close;
}

void write_answer_head(Call& call, Out out, bool close) {
  wire::HeadWriter writer(call.answer_head);
  start_head(call, writer);
  write_fields(call, writer);
  if (out == Out::length) writer.content_length(call.answer.content_length);
  if (out == Out::chunked) writer.parsed_field("Transfer-Encoding", "chunked");
  // HEAD and 304 say how long the body would be; 204 has none to speak of.
  if (out == Out::none && call.answer.has_content_length) writer.content_length(call.answer.content_length);
  if (close)
    writer.parsed_field("Connection", "close");
  else if (call.head.minor == 0)
    writer.parsed_field("Connection", "keep-alive");
  writer.end();
}

void write_upgrade_head(Call& call) {
  wire::HeadWriter writer(call.answer_head);
  start_head(call, writer);
  write_fields(call, writer);
  writer.parsed_field("Connection", "Upgrade");
  writer.parsed_field("Upgrade", "websocket");
  writer.end();
}

void write_interim_head(Call& call) {
  wire::HeadWriter writer(call.answer_head);
  start_head(call, writer);
  write_fields(call, writer);
  writer.end();
}

}  // namespace postern::serve
