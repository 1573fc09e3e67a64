#pragma once
// Edits of what heads and form bodies hold: query parameters, cookies, secrets in answers, and references that must
// lead back through us (DESIGN section 5 "What leaves and what comes back"). Pure text in, text out. What an edit does
// not concern keeps its bytes: nothing is normalised. Thread safety: functions without state.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "proxy/wire/field.hpp"
#include "proxy/wire/function_ref.hpp"

namespace postern::wire {

// --- percent-encoding (RFC 3986 section 2.1) ---

// Appends `text` with everything but unreserved characters as %XX, upper case. Fits query, form and path segment alike.
void percent_encode(std::string_view text, std::string& out);
// Plus::space: as in a query or a form. A '%' that no two hex digits follow stays as it is.
enum class Plus : std::uint8_t { literal, space };
std::string percent_decode(std::string_view text, Plus plus = Plus::literal);

// --- query and application/x-www-form-urlencoded ---

using NameTest = FunctionRef<bool(std::string_view decoded_name)>;

// Appends `query` (without '?') to `out`, without the parameters whose decoded name (%XX and '+') `remove` says yes to.
// Returns how many went. Parameters are separated by '&' only; other parameters, even empty ones, keep their bytes. If
// all are removed nothing is appended: the '?' is the caller's.
std::size_t strip_query(std::string_view query, NameTest remove, std::string& out);
// Appends "name=value", percent-encoded, to a path with or without a query.
void append_query(std::string& target, std::string_view name, std::string_view value);
// The same two for a form body.
inline std::size_t strip_form(std::string_view body, NameTest remove, std::string& out) {
  return strip_query(body, remove, out);
}
void append_form(std::string& body, std::string_view name, std::string_view value);

// --- Cookie (RFC 6265 section 4.2) ---

// Appends the value of a Cookie field to `out` without the cookies of this name (names are case-sensitive). Returns how
// many went; if none is left nothing is appended, and the field must be dropped.
std::size_t strip_cookie(std::string_view cookies, std::string_view name, std::string& out);
// Adds a cookie to the value of a Cookie field. False, and nothing is written, if the name is no token or the value
// holds a ';', a CTL, or white space at an end. Quotes, commas and spaces are let through: cookies with them exist.
[[nodiscard]] bool append_cookie(std::string& cookies, std::string_view name, std::string_view value);

// --- secrets in answers ---

// Secrets shorter than this are not looked for: they would be found by chance.
inline constexpr std::size_t kShortestMasked = 4;
// False if mask() would find nothing in `text` nor in any part of it; true if it is worth looking closely.
bool may_hold(std::string_view text, std::span<const std::string_view> secrets) noexcept;
// `value` with every occurrence of a secret replaced by "***", the longest first where several begin at one place;
// nothing if there is none. An occurrence is the secret as it is, or with any of its characters percent-encoded (hex in
// any case,
// '+' for a space); a '%' of the secret itself is then "%25". Other encodings (base64, double percent) are not seen.
std::optional<std::string> mask(std::string_view value, std::span<const std::string_view> secrets);

// --- references that lead back ---

// How the caller addressed us.
struct CallerForm {
  bool base_url = false;  // origin-form /c/<connection>/…; otherwise absolute-form
  // absolute-form
  bool tls_scheme = false;       // https://
  bool internal_suffix = false;  // host.postern.internal
  // base-URL mode
  std::string_view host = {};        // the Host the caller sent
  std::string_view connection = {};  // as the caller wrote it
  std::string_view base_path = {};   // the path of the provider's base URL, without a '/' at its end; often empty
};

// May this host (normalized as in target.hpp) and port (where we would dial) be reached through the same connection? In
// base-URL mode it must say yes to the base URL's host alone: the form can name no other.
using HostTest = FunctionRef<bool(std::string_view host, std::uint16_t port)>;

// A URI-reference of an answer in the form that the caller used, or nothing if it stays as it is: another scheme or
// host, userinfo, an authority that is not valid, TLS on port 80 (which has no such form), and references that are
// relative to what the caller asked for. In base-URL mode a path ("/p") is rewritten too, if it is below base_path and
// has no dot segments.
std::optional<std::string> rewrite_reference(std::string_view reference, const CallerForm& form, HostTest host_is_ours);
// The same for a field value: Location and Content-Location are one reference, Refresh is "5; url=…" (quoted or not),
// Link is "<…>; rel=…, <…>". Nothing for any other field.
std::optional<std::string> rewrite_references(FieldId field, std::string_view value, const CallerForm& form,
                                              HostTest host_is_ours);

}  // namespace postern::wire
