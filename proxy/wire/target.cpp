#include "proxy/wire/target.hpp"

#include <algorithm>

#include "proxy/wire/bytes.hpp"
#include "proxy/wire/field.hpp"
#include "proxy/wire/host.hpp"

namespace postern::wire {
namespace {

constexpr Refusal kFine{};
constexpr Refusal malformed(const char* detail) noexcept {
  return {Fault::malformed, detail};
}
constexpr std::size_t kMaxReference = 64;

Refusal check_bytes(std::string_view target) noexcept {
  if (target.empty()) return malformed("the target is empty");
  for (const char c : target) {
    if (!is(kVisible, c)) return malformed("the target holds a byte that must be percent-encoded");
    if (c == '\\') return malformed("the target holds a backslash");
    if (c == '#') return malformed("the target holds a fragment");
  }
  return kFine;
}

Refusal set_authority(std::string_view authority, Target& out) {
  if (authority.find('@') != std::string_view::npos) return malformed("the target holds a user name or password");
  HostName name;
  if (const Refusal bad = read_host_port(authority, name, out.written_port); bad.fault != Fault::none) return bad;
  out.host.assign(name.text());
  out.ip_literal = name.ip_literal;
  out.internal_suffix = name.internal_suffix;
  out.port = out.written_port == 0 || out.written_port == 80 ? 443 : out.written_port;
  return kFine;
}

void set_path(std::string_view rest, Target& out) noexcept {
  out.slash_missing = rest.starts_with('?');
  out.path = rest.empty() ? std::string_view("/") : rest;
}

// Base-URL mode: "/c/<reference>", then nothing, '/' or '?'.
void set_origin(std::string_view target, Target& out) noexcept {
  out.form = Form::origin;
  out.path = target;
  if (!target.starts_with("/c/")) return;
  const std::string_view after = target.substr(3);
  const std::size_t size = static_cast<std::size_t>(
      std::find_if_not(after.begin(), after.end(), [](char c) { return is(kHostChar, c); }) - after.begin());
  if (size == 0 || size > kMaxReference) return;
  const std::string_view rest = after.substr(size);
  if (!rest.empty() && rest[0] != '/' && rest[0] != '?') return;
  out.base_connection = after.substr(0, size);
  set_path(rest, out);
}

std::size_t scheme_size(std::string_view target, bool& tls) noexcept {
  tls = iequals(target.substr(0, 8), "https://");
  if (tls) return 8;
  return iequals(target.substr(0, 7), "http://") ? 7 : 0;
}

}  // namespace

std::string_view Target::query() const noexcept {
  const std::size_t mark = path.find('?');
  return mark == std::string_view::npos ? std::string_view{} : path.substr(mark + 1);
}

void Target::append_path(std::string& out) const {
  if (slash_missing) out.push_back('/');
  out.append(path);
}

void Target::reset() noexcept {
  form = Form::origin;
  tls_scheme = internal_suffix = ip_literal = slash_missing = false;
  host.clear();
  port = 443;
  written_port = 0;
  path = base_connection = {};
}

Refusal parse_target(std::string_view method, std::string_view target, Target& out) {
  out.reset();
  if (const Refusal bad = check_bytes(target); bad.fault != Fault::none) return bad;
  if (method == "CONNECT") {
    out.form = Form::authority;
    if (const Refusal bad = set_authority(target, out); bad.fault != Fault::none) return bad;
    return out.written_port == 0 ? malformed("the target of CONNECT must be host:port") : kFine;
  }
  if (target[0] == '/') {
    set_origin(target, out);
    return kFine;
  }
  if (target == "*") {
    if (method != "OPTIONS") return malformed("only OPTIONS may have the target '*'");
    out.form = Form::asterisk;
    out.path = target;
    return kFine;
  }
  const std::size_t scheme = scheme_size(target, out.tls_scheme);
  if (scheme == 0) return malformed("the target must begin with http://, https:// or /c/");
  const std::string_view after = target.substr(scheme);
  const std::size_t end = std::min(after.find_first_of("/?"), after.size());
  if (const Refusal bad = set_authority(after.substr(0, end), out); bad.fault != Fault::none) return bad;
  out.form = Form::absolute;
  set_path(after.substr(end), out);
  if (end == after.size() && method == "OPTIONS") out.path = "*";  // RFC 9112 section 3.2.4
  return kFine;
}

Refusal parse_host(std::string_view text, HostPort& out) {
  HostName name;
  if (const Refusal bad = read_host_port(text, name, out.port); bad.fault != Fault::none) return bad;
  out.host.assign(name.text());
  out.ip_literal = name.ip_literal;
  out.internal_suffix = name.internal_suffix;
  return kFine;
}

bool path_is_ambiguous(std::string_view path) noexcept {
  path = path.substr(0, path.find('?'));
  for (std::size_t i = 0; i < path.size(); ++i) {
    switch (path[i]) {
      case ';':
      case '\\':
        return true;
      case '/': {
        const std::string_view after = path.substr(i + 1);
        const std::string_view segment = after.substr(0, after.find('/'));
        if (segment == "." || segment == ".." || (segment.empty() && !after.empty())) return true;
        break;
      }
      case '%': {
        const std::string_view code = path.substr(i + 1, 2);
        if (code == "2e" || code == "2E" || code == "2f" || code == "2F" || code == "5c" || code == "5C") return true;
        break;
      }
      default:
        break;
    }
  }
  return false;
}

}  // namespace postern::wire
