#include "proxy/wire/field_policy.hpp"

#include "proxy/wire/bytes.hpp"

namespace postern::wire {

bool is_hop_by_hop(FieldId id) noexcept {
  switch (id) {
    case FieldId::host:
    case FieldId::connection:
    case FieldId::content_length:
    case FieldId::transfer_encoding:
    case FieldId::te:  // with `trailers` too: trailers are dropped, so nobody may be told that we want them
    case FieldId::trailer:
    case FieldId::upgrade:
    case FieldId::keep_alive:
    case FieldId::proxy_connection:
    case FieldId::http2_settings:
    case FieldId::proxy_authorization:
    case FieldId::proxy_authenticate:
    case FieldId::proxy_authentication_info:
    case FieldId::x_connection_id:
    case FieldId::x_postern:
      return true;
    default:
      return false;
  }
}

bool is_stripped_with_credential(FieldId id) noexcept {
  switch (id) {
    case FieldId::authorization:
    case FieldId::cookie:
    case FieldId::x_api_key:
    case FieldId::x_auth_token:
    case FieldId::api_key:
    case FieldId::x_amz_security_token:
    case FieldId::forwarded:
    case FieldId::x_forwarded:
    case FieldId::x_original_url:
    case FieldId::x_rewrite_url:
    case FieldId::x_http_method:
      return true;
    default:
      return false;
  }
}

bool is_dropped_from_answer(FieldId id) noexcept {
  switch (id) {
    case FieldId::set_cookie:
    case FieldId::authentication_info:
    case FieldId::alt_svc:
    case FieldId::strict_transport_security:
      return true;
    default:
      return false;
  }
}

bool is_underscore_spelling(std::string_view name, std::string_view canonical) noexcept {
  if (name.size() != canonical.size()) return false;
  bool differs = false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '_' && canonical[i] == '-')
      differs = true;
    else if (lower(name[i]) != lower(canonical[i]))
      return false;
  }
  return differs;
}

bool is_stripped_query_parameter(std::string_view name) noexcept {
  return name == "access_token" || name == "api_key" || name == "key";
}

}  // namespace postern::wire
