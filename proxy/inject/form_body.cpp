// Form bodies, and what both body kinds ask of the head: is this a body that may be edited as text?
#include "proxy/inject/body.hpp"
#include "proxy/wire/field.hpp"

namespace postern::inject {
namespace {

std::unexpected<Error> refuse(std::string message) {
  return std::unexpected(Error{"/body", std::move(message)});
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Takes what is before the first `separator` off the front of `rest`. False: nothing is left.
bool next_piece(std::string_view& rest, char separator, std::string_view& piece) {
  if (rest.data() == nullptr) return false;
  const std::size_t end = rest.find(separator);
  piece = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return true;
}

// A charset in which our ASCII bytes mean what they say. Others (UTF-16, EBCDIC, UTF-7) have been used to hide
// parameters from whoever stands in between.
bool charset_is_harmless(std::string_view content_type) {
  std::string_view rest = content_type, piece;
  next_piece(rest, ';', piece);  // the media type itself
  while (next_piece(rest, ';', piece)) {
    const std::size_t equals = piece.find('=');
    if (equals == std::string_view::npos || !wire::iequals(trim(piece.substr(0, equals)), "charset")) continue;
    std::string_view value = trim(piece.substr(equals + 1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    bool known = false;
    for (const std::string_view name : {"utf-8", "utf8", "us-ascii", "iso-8859-1"})
      known = known || wire::iequals(value, name);
    if (!known) return false;
  }
  return true;
}

std::string_view media_type(const Inputs& in) {
  return trim(in.content_type.substr(0, in.content_type.find(';')));
}

std::expected<void, Error> check_text(const Inputs& in) {
  if (in.body.size() > kMaxBody) return refuse("the body is too large to put the credential into it");
  if (!in.body.empty() && !in.content_encoding.empty() && !wire::iequals(in.content_encoding, "identity"))
    return refuse("the credential goes into the body: send it without Content-Encoding");
  if (!charset_is_harmless(in.content_type))
    return refuse("the credential goes into the body: send it as UTF-8, without another charset");
  return {};
}

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The name of "name=value" is this one, once '+' and %XX are decoded.
bool has_name(std::string_view parameter, std::string_view name) {
  const std::string_view raw = parameter.substr(0, parameter.find('='));
  std::size_t matched = 0;
  for (std::size_t i = 0; i < raw.size(); ++i, ++matched) {
    char c = raw[i] == '+' ? ' ' : raw[i];
    if (c == '%' && i + 2 < raw.size() && hex(raw[i + 1]) >= 0 && hex(raw[i + 2]) >= 0) {
      c = static_cast<char>(hex(raw[i + 1]) << 4 | hex(raw[i + 2]));
      i += 2;
    }
    if (matched == name.size() || name[matched] != c) return false;
  }
  return matched == name.size();
}

}  // namespace

std::expected<void, Error> check_form_body(const Inputs& in) {
  const bool absent = in.content_type.empty() && in.body.empty();
  if (!absent && !wire::iequals(media_type(in), "application/x-www-form-urlencoded"))
    return refuse("the credential goes into a form body: send Content-Type: application/x-www-form-urlencoded");
  return check_text(in);
}

std::expected<void, Error> check_json_body(const Inputs& in) {
  const std::string_view type = media_type(in);
  const bool absent = in.content_type.empty() && in.body.empty();
  const bool suffix = type.size() > 5 && wire::iequals(type.substr(type.size() - 5), "+json");
  if (!absent && !suffix && !wire::iequals(type, "application/json"))
    return refuse("the credential goes into a JSON body: send a JSON object with Content-Type: application/json");
  return check_text(in);
}

void append_form_encoded(std::string_view text, std::string& out) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (const char c : text) {
    const bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const auto byte = static_cast<unsigned char>(c);
    if (alnum || c == '*' || c == '-' || c == '.' || c == '_') {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += '%';
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
}

std::expected<std::string, Error> set_form_parameter(std::string_view body, std::string_view name,
                                                     std::string_view pair) {
  std::string out;
  out.reserve(body.size() + 1 + pair.size());  // never grows: a secret must not stay behind in a smaller buffer
  std::string_view rest = body, parameter;
  while (next_piece(rest, '&', parameter)) {
    if (parameter.empty() || has_name(parameter, name)) continue;
    std::string_view inner = parameter, piece;
    while (next_piece(inner, ';', piece))
      if (piece.size() != parameter.size() && has_name(piece, name))
        return refuse("the form has ';' in front of or behind the credential's parameter: send it as %3B");
    if (!out.empty()) out += '&';
    out += parameter;
  }
  if (!out.empty()) out += '&';
  out += pair;
  return out;
}

}  // namespace postern::inject
