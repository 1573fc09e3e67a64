// Keeping web pages out. A page on any site can send requests to a loopback port; it cannot choose Host or Origin, so
// both must be ours, and it cannot send JSON across origins without a preflight, which we never answer.
#include <arpa/inet.h>

#include <algorithm>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "proxy/admin/access.hpp"
#include "proxy/admin/json_text.hpp"

namespace postern::admin {
namespace {

struct HostPort {
  std::string host, port;  // host in lower case, v6 without brackets; port empty when absent
};

HostPort split(std::string_view text) {
  HostPort out;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    out.host = lower(text.substr(1, end == std::string_view::npos ? end : end - 1));
    text = end == std::string_view::npos ? "" : text.substr(end + 1);
  } else {
    out.host = lower(text.substr(0, text.find(':')));
    text = text.substr(std::min(text.size(), out.host.size()));
  }
  if (text.starts_with(':')) out.port = std::string(text.substr(1));
  return out;
}

bool is_address(const std::string& host) {
  in6_addr any;
  return ::inet_pton(AF_INET, host.c_str(), &any) == 1 || ::inet_pton(AF_INET6, host.c_str(), &any) == 1;
}

// Ours: the bound address or a loopback name with our port; the host of admin.public_url. Bound to every address, any
// address literal with our port is ours too: a page can rebind a name, not a literal.
bool is_our_host(const Service& service, std::string_view authority) {
  const HostPort asked = split(authority);
  const HostPort bound = split(service.addresses.admin);
  const std::string port = asked.port.empty() ? "80" : asked.port;
  if (port == bound.port) {
    if (asked.host == bound.host || asked.host == "localhost" || asked.host == "127.0.0.1" || asked.host == "::1")
      return true;
    if ((bound.host == "0.0.0.0" || bound.host == "::") && is_address(asked.host)) return true;
  }
  const auto settings = service.deps.settings();
  const auto url = boost::urls::parse_uri(settings->public_url);
  if (!url) return false;
  const HostPort open = split(std::string_view(url->encoded_host_and_port()));
  const std::string fallback = url->scheme() == "https" ? "443" : "80";
  const std::string want = open.port.empty() ? fallback : open.port;
  return asked.host == open.host && (asked.port.empty() ? fallback : asked.port) == want;
}

bool is_our_origin(const Service& service, std::string_view origin) {
  const auto settings = service.deps.settings();
  const auto url = boost::urls::parse_uri(settings->public_url);
  if (url && lower(std::string_view(url->encoded_origin())) == lower(origin)) return true;
  return origin.starts_with("http://") && is_our_host(service, origin.substr(7));
}

}  // namespace

std::expected<void, Problem> refuse_browsers(const Service& service, const Request& request) {
  auto refused = [](const char* detail) { return refuse("browser-request-refused", detail); };
  if (request.door == Door::health) return {};  // no state behind it, and probes name it by any address
  if (request.count("host") > 1 || (request.door == Door::tcp && request.count("host") == 0))
    return refuse("malformed-request", "Send one Host field.");
  // No page reaches a unix socket, and its clients have no host to name.
  if (request.door == Door::tcp && !is_our_host(service, *request.field("host")))
    return refused("Call the admin API by its own address, or set admin.public_url to the name you use.");
  if (const auto origin = request.field("origin"); origin && !is_our_origin(service, *origin))
    return refused("Pages of another origin may not call the admin API.");
  const auto site = lower(request.field("sec-fetch-site").value_or("none"));
  if (site != "none" && site != "same-origin") return refused("Pages of another site may not call the admin API.");
  if (lower(request.field("sec-fetch-mode").value_or("")) == "no-cors")
    return refused("Pages may not call the admin API without CORS.");
  auto type = lower(request.field("content-type").value_or(""));
  type = type.substr(0, type.find_first_of("; \t"));
  if (type == "application/x-www-form-urlencoded" || type == "multipart/form-data" || type == "text/plain")
    return refused("Forms are not accepted: send JSON with `Content-Type: application/json`.");
  return {};
}

std::expected<void, Problem> refuse_strange_pages(const Service& service, const Request& request, bool arrives) {
  auto refused = [](const char* detail) { return refuse("browser-request-refused", detail); };
  if (request.count("host") != 1 || !is_our_host(service, *request.field("host")))
    return refused("Open this page by its own address, or set admin.public_url to the name you use.");
  if (lower(request.field("sec-fetch-mode").value_or("navigate")) != "navigate")
    return refused("This is a page for people: open it in a browser.");
  if (arrives || request.method != "POST") return {};
  const auto site = lower(request.field("sec-fetch-site").value_or("same-origin"));
  if (site != "same-origin") return refused("Only our own pages may press this button.");
  // Under `Referrer-Policy: no-referrer` browsers say `null` for our own pages too; Sec-Fetch-Site tells them from
  // others, and where it is missing, others do not have the SameSite cookie that every button needs.
  const auto origin = request.field("origin");
  if (origin && *origin != "null" && !is_our_origin(service, *origin))
    return refused("Only our own pages may press this button.");
  return {};
}

}  // namespace postern::admin
