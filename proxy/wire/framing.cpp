#include "proxy/wire/framing.hpp"

#include "proxy/wire/bytes.hpp"
#include "proxy/wire/field_policy.hpp"
#include "proxy/wire/host.hpp"

namespace postern::wire {
namespace {

constexpr Refusal malformed(const char* detail) noexcept {
  return {Fault::malformed, detail};
}
constexpr Refusal kFine{};

struct Framing {
  const Field* length = nullptr;
  const Field* coding = nullptr;
  const Field* host = nullptr;
  unsigned lengths = 0, codings = 0, hosts = 0, connection_ids = 0, proxy_authorizations = 0;
  bool connection = false, expect = false, expects_other = false;
};

bool is_underscored(std::string_view name) noexcept {
  return is_underscore_spelling(name, "Content-Length") || is_underscore_spelling(name, "Transfer-Encoding") ||
         is_underscore_spelling(name, "X-Connection-Id");
}

Refusal survey(const FieldList& fields, Framing& seen) noexcept {
  for (const Field& field : fields.all()) {
    switch (field.id) {
      case FieldId::content_length:
        seen.length = &field;
        ++seen.lengths;
        break;
      case FieldId::transfer_encoding:
        seen.coding = &field;
        ++seen.codings;
        break;
      case FieldId::host:
        seen.host = &field;
        ++seen.hosts;
        break;
      case FieldId::connection:
        seen.connection = true;
        break;
      case FieldId::x_connection_id:
        ++seen.connection_ids;
        break;
      case FieldId::proxy_authorization:
        ++seen.proxy_authorizations;
        break;
      case FieldId::expect:
        (iequals(field.value, "100-continue") ? seen.expect : seen.expects_other) = true;
        break;
      case FieldId::other:  // Host has no '-', so it has no such spelling
        if (is_underscored(field.name))
          return malformed("Content-Length, Transfer-Encoding and X-Connection-Id must be spelled with hyphens");
        break;
      default:
        break;
    }
  }
  return kFine;
}

// 1*DIGIT, below 2^63.
bool read_length(std::string_view text, std::uint64_t& out) noexcept {
  constexpr std::uint64_t limit = UINT64_MAX >> 1;
  if (text.empty()) return false;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!is(kDigit, c)) return false;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (limit - digit) / 10) return false;
    value = value * 10 + digit;
  }
  out = value;
  return true;
}

// Sets body and content_length to what the fields say.
template <class Head>
Refusal read_framing(const Framing& seen, Head& head) noexcept {
  if (seen.lengths != 0 && seen.codings != 0)
    return malformed("send either Content-Length or Transfer-Encoding, not both");
  if (seen.lengths > 1) return malformed("there is more than one Content-Length");
  if (seen.codings > 1) return malformed("there is more than one Transfer-Encoding");
  if (seen.codings == 1) {
    if (head.minor == 0) return malformed("HTTP/1.0 has no Transfer-Encoding");
    if (!iequals(seen.coding->value, "chunked"))
      return malformed("the only Transfer-Encoding understood here is exactly 'chunked'");
    head.body = Body::chunked;
  } else if (seen.lengths == 1) {
    if (!read_length(seen.length->value, head.content_length))
      return malformed("Content-Length must be one decimal number below 2^63");
    head.body = Body::length;
  }
  return kFine;
}

struct Options {
  bool close = false, keep_alive = false, malformed = false;
};

void nominate(FieldList& fields, std::string_view option) noexcept {
  for (Field& field : fields.all())
    if (iequals(field.name, option)) field.nominated = true;
}

// RFC 9110 section 7.6.1. Host and TE keep their meaning when named, naming framing is refused.
Refusal read_connection(FieldList& fields, Options& options) noexcept {
  std::size_t count = 0;
  for (const Field& field : fields.all()) {
    if (field.id != FieldId::connection) continue;
    if (iequals(field.value, "keep-alive")) {  // nearly always
      options.keep_alive = true;
      continue;
    }
    for (std::string_view rest = field.value; !rest.empty();) {
      const std::size_t comma = rest.find(',');
      const std::string_view option = trim_ows(rest.substr(0, comma));
      rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
      if (++count > kMaxFields) return malformed("Connection has more than 100 options");
      if (option.empty()) continue;
      if (!is_token(option)) {
        options.malformed = true;
      } else if (iequals(option, "close")) {
        options.close = true;
      } else if (iequals(option, "keep-alive")) {
        options.keep_alive = true;
      } else {
        const FieldId id = identify_field(option);
        if (id == FieldId::content_length || id == FieldId::transfer_encoding)
          return malformed("Connection may not name Content-Length or Transfer-Encoding");
        if (id != FieldId::host && id != FieldId::te) nominate(fields, option);
      }
    }
  }
  return kFine;
}

bool persists(const Options& options, unsigned minor) noexcept {
  return !options.close && (minor == 1 || options.keep_alive);
}

Refusal judge_host(const RequestHead& head, const Framing& seen) noexcept {
  if (seen.hosts > 1) return malformed("there is more than one Host");
  if (seen.hosts == 0) {
    if (head.method == "CONNECT") return kFine;  // some clients tunnel so, and the target says it all
    return malformed("there is no Host");
  }
  HostName name;
  std::uint16_t port = 0;
  return read_host_port(seen.host->value, name, port);
}

}  // namespace

Refusal judge_request(RequestHead& head) noexcept {
  Framing seen;
  if (const Refusal bad = survey(head.fields, seen); bad.fault != Fault::none) return bad;
  if (const Refusal bad = read_framing(seen, head); bad.fault != Fault::none) return bad;
  if (const Refusal bad = judge_host(head, seen); bad.fault != Fault::none) return bad;
  if (seen.connection_ids > 1) return malformed("there is more than one X-Connection-Id");
  if (seen.proxy_authorizations > 1) return malformed("there is more than one Proxy-Authorization");
  Options options;
  if (seen.connection) {
    if (const Refusal bad = read_connection(head.fields, options); bad.fault != Fault::none) return bad;
    if (options.malformed) return malformed("Connection holds an option that is not a token");
  }
  head.keep_alive = persists(options, head.minor);
  if (seen.expects_other) return {Fault::bad_expectation, "the only expectation understood here is 100-continue"};
  head.expect_continue = seen.expect && head.minor == 1;  // RFC 9110 section 10.1.1
  return kFine;
}

Refusal judge_response(std::string_view request_method, ResponseHead& head) noexcept {
  Framing seen;
  if (const Refusal bad = survey(head.fields, seen); bad.fault != Fault::none) return bad;
  if (const Refusal bad = read_framing(seen, head); bad.fault != Fault::none) return bad;
  Options options;
  if (seen.connection)
    if (const Refusal bad = read_connection(head.fields, options); bad.fault != Fault::none) return bad;

  const bool never = head.status < 200 || head.status == 204 || (request_method == "CONNECT" && head.status < 300);
  if (never || head.status == 304 || request_method == "HEAD") {
    head.has_content_length = !never && head.body == Body::length;
    head.body = Body::none;
  } else {
    head.has_content_length = head.body == Body::length;
  }
  if (!head.has_content_length) head.content_length = 0;
  // An option that is no token makes the connection doubtful, not the answer.
  head.keep_alive = persists(options, head.minor) && !options.malformed && head.body != Body::until_close;
  return kFine;
}

}  // namespace postern::wire
