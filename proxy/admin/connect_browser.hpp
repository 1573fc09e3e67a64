#pragma once
// What the pages know of a browser: the cookie it was given, the form it posted, and whether a page of ours posted it.
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/admin/http.hpp"
#include "proxy/admin/service.hpp"

namespace postern::admin {

using Parameters = std::vector<std::pair<std::string, std::string>>;

// The cookie that this postern gave it; nullopt: none, or somebody else's.
std::optional<std::string> cookie_of(const Service& service, const Request& request);
std::string new_cookie(const Service& service);
// Set-Cookie: host-only, HttpOnly, SameSite=Lax; with an https public_url also Secure and `__Host-`.
std::string set_cookie(const Service& service, const std::string& cookie);

// application/x-www-form-urlencoded; nullopt: it is something else, or longer than 16 KiB.
std::optional<Parameters> form_of(const Request& request);
// The one value of that name; nullopt: none, or several.
std::optional<std::string> one_of(const Parameters& parameters, std::string_view name);

}  // namespace postern::admin
