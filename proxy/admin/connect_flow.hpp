#pragma once
// The pages a person's browser opens to connect an account (DESIGN section 10): /connect, /connect/<link>, and
// /oauth/callback, where the provider sends it back. They need no token of ours: the link is the permission, the cookie
// says that it is one browser all the way, the state that the answer belongs to this attempt, and the last click that
// the account is the one that was meant.
#include "proxy/admin/json_text.hpp"
#include "proxy/admin/router.hpp"

namespace postern::admin {

bool is_page(std::string_view path);
// Answers, or leaves its work in `later`.
Response serve_page(Service& service, const Request& request, Url url, Handled& later);

}  // namespace postern::admin
