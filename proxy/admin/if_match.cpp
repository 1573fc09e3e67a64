#include "proxy/admin/if_match.hpp"

namespace postern::admin {

std::string etag(std::uint64_t version) {
  return '"' + std::to_string(version) + '"';
}

std::expected<void, Problem> check_if_match(const Request& request, std::uint64_t version) {
  auto sent = request.field("if-match");
  if (!sent || *sent == "*") return {};
  const std::string current = etag(version);
  std::string_view rest = *sent;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    std::string_view tag = rest.substr(0, comma);
    while (!tag.empty() && (tag.front() == ' ' || tag.front() == '\t')) tag.remove_prefix(1);
    while (!tag.empty() && (tag.back() == ' ' || tag.back() == '\t')) tag.remove_suffix(1);
    if (tag == current) return {};
    rest = comma == std::string_view::npos ? "" : rest.substr(comma + 1);
  }
  return refuse("version-conflict", "Read it again: the version that If-Match names is not the current one.");
}

}  // namespace postern::admin
