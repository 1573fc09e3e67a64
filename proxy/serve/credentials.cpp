#include "proxy/serve/credentials.hpp"

#include "proxy/wire/base64.hpp"
#include "vault/secret.hpp"

namespace postern::serve {
namespace {

std::string_view after_scheme(std::string_view value, std::string_view scheme) {
  if (value.size() <= scheme.size() || !wire::iequals(value.substr(0, scheme.size()), scheme) ||
      value[scheme.size()] != ' ')
    return {};
  value.remove_prefix(scheme.size());
  while (value.starts_with(' ')) value.remove_prefix(1);
  return value;
}

// Basic user:password as a pair; the token may stand in either place (user names of SDKs, `-u token:`).
bool read_basic(std::string_view value, Presented& out) {
  std::string pair = wire::decode_base64(after_scheme(value, "Basic")).value_or("");
  const auto colon = pair.find(':');
  if (colon == std::string::npos) {
    vault::wipe(pair);
    return false;
  }
  const std::string_view user = std::string_view(pair).substr(0, colon),
                         password = std::string_view(pair).substr(colon + 1);
  if (password.empty() && looks_like_token(user)) {
    out.token = user;
  } else {
    if (user != "-") out.user = user;
    out.token = password;
  }
  vault::wipe(pair);
  return true;
}

}  // namespace

bool looks_like_token(std::string_view text) noexcept {
  return text.starts_with("pst_");
}

Presented from_proxy_authorization(std::string_view field_value) {
  Presented out;
  out.field_value = field_value;
  if (!read_basic(field_value, out)) out.token = after_scheme(field_value, "Bearer");
  return out;
}

Presented from_proxy_authorization(const wire::RequestHead& head) {
  const wire::Field* field = head.fields.find(wire::FieldId::proxy_authorization);
  return field == nullptr ? Presented{} : from_proxy_authorization(field->value);
}

Presented from_sdk_field(const wire::RequestHead& head) {
  Presented out;
  for (const wire::Field& field : head.fields.all()) {
    std::string_view value = field.value;
    if (wire::iequals(value.substr(0, 6), "Basic ")) {
      Presented basic;
      if (field.id == wire::FieldId::authorization && read_basic(value, basic) && looks_like_token(basic.token)) {
        out.token = std::move(basic.token);
        out.field_value = field.value;
        return out;
      }
      vault::wipe(basic.token);
      continue;
    }
    if (const auto space = value.find(' '); space != std::string_view::npos) value.remove_prefix(space + 1);
    if (!looks_like_token(value)) continue;
    out.token = value;
    out.field_value = field.value;
    return out;
  }
  return out;
}

}  // namespace postern::serve
