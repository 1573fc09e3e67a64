#pragma once
// What a caller says about itself, taken from the head: its token and the connection it names. Pure, on views and one
// scratch string.
#include <string>
#include <string_view>

#include "proxy/serve/problem.hpp"
#include "proxy/wire/head.hpp"

namespace postern::serve {

struct Presented {
  std::string token;             // pst_…; empty: none. The caller of this wipes it
  std::string user;              // connection named by the proxy user name; empty: none
  std::string_view field_value;  // the field the token came from, as sent; empty: none
};

// Proxy-Authorization: Basic <connection>:<token> or Bearer <token>.
Presented from_proxy_authorization(std::string_view field_value);
Presented from_proxy_authorization(const wire::RequestHead& head);
// Base-URL mode: the field where an SDK puts its key. Any field whose value is a token, alone or behind a scheme.
Presented from_sdk_field(const wire::RequestHead& head);
bool looks_like_token(std::string_view text) noexcept;

}  // namespace postern::serve
