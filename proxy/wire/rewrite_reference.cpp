// References in answers, in the form the caller used: the last part of rewrite.hpp.
#include <algorithm>

#include "proxy/wire/bytes.hpp"
#include "proxy/wire/host.hpp"
#include "proxy/wire/rewrite.hpp"

namespace postern::wire {
namespace {

// An absolute or network-path reference with an authority that we could dial.
struct Absolute {
  HostName host;
  std::uint16_t port = 0;  // by our rule: 80 without TLS means 443
  std::string_view rest;   // path, query and fragment as sent
};

bool read_absolute(std::string_view reference, Absolute& out) noexcept {
  const bool tls = iequals(reference.substr(0, 8), "https://");
  if (tls)
    reference.remove_prefix(8);
  else if (iequals(reference.substr(0, 7), "http://"))
    reference.remove_prefix(7);
  else if (reference.starts_with("//"))  // has the scheme of what was asked: TLS
    reference.remove_prefix(2);
  else
    return false;
  const std::size_t end = std::min(reference.find_first_of("/?#"), reference.size());
  std::uint16_t port = 0;
  if (read_host_port(reference.substr(0, end), out.host, port).fault != Fault::none) return false;
  if (tls && port == 80) return false;
  out.port = port == 0 || port == 80 ? 443 : port;
  out.rest = reference.substr(end);
  return true;
}

// "." or "..", also percent-encoded, between two slashes.
bool has_dot_segment(std::string_view path) {
  path = path.substr(0, path.find_first_of("?#"));
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string segment = percent_decode(path.substr(0, slash));
    if (segment == "." || segment == "..") return true;
    path.remove_prefix(std::min(path.size(), slash + 1));
  }
  return false;
}

// /c/<connection>/<what is below base_path>. Not with dot segments: they could lead out of it, to another connection.
std::optional<std::string> below_base(std::string_view rest, const CallerForm& form) {
  if (has_dot_segment(rest)) return std::nullopt;
  if (!rest.starts_with(form.base_path)) return std::nullopt;
  rest.remove_prefix(form.base_path.size());
  if (!rest.empty() && rest[0] != '/' && rest[0] != '?' && rest[0] != '#') return std::nullopt;
  std::string out;
  out.append("http://").append(form.host).append("/c/").append(form.connection).append(rest);
  return out;
}

std::string absolute_form(const Absolute& target, const CallerForm& form) {
  const bool v6 = target.host.text().find(':') != std::string_view::npos;
  std::string out = form.tls_scheme ? "https://" : "http://";
  if (v6) out.push_back('[');
  out.append(target.host.text());
  if (v6) out.push_back(']');
  if (form.internal_suffix && !v6) out.append(".postern.internal");
  if (target.port != 443) out.append(1, ':').append(std::to_string(target.port));
  return out.append(target.rest);
}

// Where the reference of a Refresh value stands. The grammar is the WHATWG's, which is what browsers and libraries
// read.
std::string_view refresh_reference(std::string_view value) noexcept {
  const char* p = value.data();
  const char* const end = p + value.size();
  const auto skip_space = [&] {
    while (p != end && is_ows(*p)) ++p;
  };
  skip_space();
  while (p != end && (is(kDigit, *p) || *p == '.')) ++p;
  skip_space();
  if (p == end || (*p != ';' && *p != ',')) return {};
  ++p;
  skip_space();
  if (const char* q = p; end - q >= 3 && iequals({q, 3}, "url")) {
    q += 3;
    while (q != end && is_ows(*q)) ++q;
    if (q != end && *q == '=') {
      p = q + 1;
      skip_space();
    }
  }
  const char quote = p != end && (*p == '"' || *p == '\'') ? *p++ : '\0';
  std::string_view text{p, static_cast<std::size_t>(end - p)};
  return quote != '\0' ? text.substr(0, text.find(quote)) : trim_ows(text);
}

std::optional<std::string> replace(std::string_view value, std::string_view part, std::string_view with) {
  const std::size_t at = static_cast<std::size_t>(part.data() - value.data());
  std::string out;
  out.append(value.substr(0, at)).append(with).append(value.substr(at + part.size()));
  return out;
}

// Every <…> outside a quoted string.
std::optional<std::string> rewrite_links(std::string_view value, const CallerForm& form, HostTest host_is_ours) {
  std::optional<std::string> out;
  std::size_t kept = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '\\' && quoted)
      ++i;
    else if (value[i] == '"')
      quoted = !quoted;
    else if (value[i] == '<' && !quoted) {
      const std::size_t close = value.find('>', i);
      if (close == std::string_view::npos) break;
      if (const auto link = rewrite_reference(value.substr(i + 1, close - i - 1), form, host_is_ours)) {
        if (!out) out.emplace();
        out->append(value.substr(kept, i + 1 - kept)).append(*link);
        kept = close;
      }
      i = close;
    }
  }
  if (out) out->append(value.substr(kept));
  return out;
}

}  // namespace

std::optional<std::string> rewrite_reference(std::string_view reference, const CallerForm& form,
                                             HostTest host_is_ours) {
  std::optional<std::string> out;
  Absolute target;
  if (read_absolute(reference, target)) {
    if (!host_is_ours(target.host.text(), target.port)) return std::nullopt;
    out = form.base_url ? below_base(target.rest, form) : absolute_form(target, form);
  } else if (form.base_url && reference.starts_with('/') && !reference.starts_with("//")) {
    out = below_base(reference, form);
  }
  if (out == reference) out.reset();
  return out;
}

std::optional<std::string> rewrite_references(FieldId field, std::string_view value, const CallerForm& form,
                                              HostTest host_is_ours) {
  switch (field) {
    case FieldId::location:
    case FieldId::content_location:
      return rewrite_reference(value, form, host_is_ours);
    case FieldId::refresh: {
      const std::string_view reference = refresh_reference(value);
      if (reference.empty()) return std::nullopt;
      const auto rewritten = rewrite_reference(reference, form, host_is_ours);
      return rewritten ? replace(value, reference, *rewritten) : std::nullopt;
    }
    case FieldId::link:
      return rewrite_links(value, form, host_is_ours);
    default:
      return std::nullopt;
  }
}

}  // namespace postern::wire
