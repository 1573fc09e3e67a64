#include "proxy/admin/connect_browser.hpp"

#include <fmt/format.h>

#include "proxy/admin/connect_link.hpp"
#include "proxy/admin/desk.hpp"

namespace postern::admin {
namespace {

constexpr std::size_t kLargestForm = 16 * 1024;
constexpr int kCookieSeconds = 3600;

bool is_https(const Service& service) {
  return public_url(service).starts_with("https://");
}

const char* cookie_name(const Service& service) {
  return is_https(service) ? "__Host-postern_connect" : "postern_connect";
}

// What makes a cookie ours: nobody plants one of his own making.
std::string seal_of(const Service& service, std::string_view random) {
  return base64url(service.deps.vault->keyed_digest("connect-cookie", random));
}

}  // namespace

std::optional<std::string> cookie_of(const Service& service, const Request& request) {
  const std::string name = std::string(cookie_name(service)) + '=';
  for (const auto& [field, value] : request.fields) {
    if (field != "cookie") continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const auto end = std::min(rest.find(';'), rest.size());
      std::string_view pair = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      while (pair.starts_with(' ')) pair.remove_prefix(1);
      if (!pair.starts_with(name)) continue;
      pair.remove_prefix(name.size());
      const auto dot = pair.find('.');
      if (dot == std::string_view::npos) continue;
      if (vault::Secret(seal_of(service, pair.substr(0, dot))).equals(pair.substr(dot + 1))) return std::string(pair);
    }
  }
  return std::nullopt;
}

std::string new_cookie(const Service& service) {
  const std::string random = base64url(random_bytes().expose());
  return random + '.' + seal_of(service, random);
}

std::string set_cookie(const Service& service, const std::string& cookie) {
  return fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{}", cookie_name(service), cookie,
                     kCookieSeconds, is_https(service) ? "; Secure" : "");
}

std::optional<Parameters> form_of(const Request& request) {
  auto type = lower(request.field("content-type").value_or(""));
  type = type.substr(0, type.find_first_of("; \t"));
  if ((type != "application/x-www-form-urlencoded" && !request.body.empty()) || request.body.size() > kLargestForm)
    return std::nullopt;
  const auto url = parse_target("/?" + std::string(request.body));
  if (!url) return std::nullopt;
  return url->parameters;
}

std::optional<std::string> one_of(const Parameters& parameters, std::string_view name) {
  std::optional<std::string> out;
  for (const auto& [key, value] : parameters) {
    if (key != name) continue;
    if (out) return std::nullopt;
    out = value;
  }
  return out;
}

}  // namespace postern::admin
