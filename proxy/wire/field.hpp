#pragma once
// Header fields as views, and the names this proxy knows. A Field is valid as long as the buffer it was parsed from.
#include <cstdint>
#include <string_view>

namespace postern::wire {

// Every name that some rule of section 5 treats specially. `other` is everything else.
enum class FieldId : std::uint8_t {
  other,
  // framing and connection management (RFC 9112, RFC 9110 section 7.6.1)
  host,
  connection,
  content_length,
  transfer_encoding,
  te,
  trailer,
  upgrade,
  keep_alive,
  proxy_connection,
  http2_settings,
  expect,
  max_forwards,
  via,
  // proxy authentication (RFC 9110 section 11.7) and ours
  proxy_authorization,
  proxy_authenticate,
  proxy_authentication_info,
  proxy_status,
  x_connection_id,
  x_postern,  // any X-Postern-*
  // places credentials take
  authorization,
  cookie,
  x_api_key,
  x_auth_token,
  api_key,
  x_amz_security_token,
  // routing and method overrides
  forwarded,
  x_forwarded /* any X-Forwarded-* */,
  x_original_url,
  x_rewrite_url,
  x_http_method /* X-HTTP-Method* */,
  // browsers
  origin,
  sec_fetch_site,
  // answers
  set_cookie,
  authentication_info,
  alt_svc,
  strict_transport_security,
  www_authenticate,
  location,
  content_location,
  link,
  refresh,
  content_type,
  content_encoding,
  date,
  server
};

struct Field {
  std::string_view name;
  std::string_view value;  // without leading and trailing OWS
  FieldId id = FieldId::other;
  bool nominated = false;  // named by a Connection field of the same head (RFC 9110 section 7.6.1)
};

// The id of a field name (a token), in any case. Constant time in the number of known names.
FieldId identify_field(std::string_view name) noexcept;
// The same without ASCII case, for names and tokens.
bool iequals(std::string_view a, std::string_view b) noexcept;
// RFC 9110 token.
bool is_token(std::string_view text) noexcept;
// A field value without CR, LF, NUL and other CTLs (tab allowed); obs-text is allowed.
bool is_field_value(std::string_view text) noexcept;

}  // namespace postern::wire
