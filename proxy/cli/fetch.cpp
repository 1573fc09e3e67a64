#include "proxy/cli/fetch.hpp"

#include <fmt/format.h>

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace postern::cli {

Result<std::string> fetch(const std::string& url, const Surroundings& around) {
  const auto parsed = boost::urls::parse_uri(url);
  if (!parsed || parsed->scheme() != "https" || parsed->host_address().empty() || parsed->has_userinfo() ||
      parsed->has_fragment())
    return fail(Exit::usage, fmt::format("fetch: {}: not an https:// URL", printable(url)));
  Endpoint endpoint;
  endpoint.tls = true;
  endpoint.host = parsed->host_address();
  endpoint.port = parsed->has_port() ? std::string(parsed->port()) : "443";
  endpoint.patience = kPatience;
  std::string target(parsed->encoded_path().empty() ? "/" : std::string_view(parsed->encoded_path()));
  if (parsed->has_query()) target += "?" + std::string(std::string_view(parsed->encoded_query()));
  auto answer = around.dial(endpoint)->send({.method = "GET", .target = std::move(target), .body = {}, .fields = {}});
  if (!answer) return fail(answer.error().exit, fmt::format("fetch: {}: {}", url, answer.error().message));
  if (answer->status >= 300 && answer->status < 400)
    return fail(Exit::failed, fmt::format("fetch: {}: it is elsewhere, at '{}'; look at that address and name it", url,
                                          printable(std::string(answer->field("location")))));
  if (answer->status != 200) return fail(Exit::failed, fmt::format("fetch: {}: status {}", url, answer->status));
  if (answer->body.size() > kMaxFetched)
    return fail(Exit::failed, fmt::format("fetch: {}: larger than 8 MiB, the most that is read", url));
  return std::move(answer->body);
}

}  // namespace postern::cli
