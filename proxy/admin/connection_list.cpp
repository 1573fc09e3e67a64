// GET /api/v1/connections: which of the visible connections, in which order.
#include <algorithm>
#include <charconv>

#include "proxy/admin/connection_input.hpp"
#include "proxy/admin/connection_text.hpp"

namespace postern::admin {
namespace {

using vault::Connection;

struct Filters : CommonFilters {
  std::string status, end_user, auth_config, owner;
  bool by_end_user = false;
  std::optional<vault::Scope> scope;
  std::vector<std::string> tags;

  bool pass(const Connection& c) const {
    if (!provider.empty() && c.app != provider) return false;
    if (!status.empty() && status != vault::to_string(c.status)) return false;
    if (by_end_user && c.end_user != end_user) return false;
    if (!auth_config.empty() && c.auth_config != auth_config) return false;
    if (!owner.empty() && c.owner != owner) return false;
    if (scope && c.scope != *scope) return false;
    if (!show_disabled.value_or(true) && !c.enabled) return false;
    for (const auto& tag : tags)
      if (std::find(c.tags.begin(), c.tags.end(), tag) == c.tags.end()) return false;
    return search.empty() || lower(c.name).find(search) != std::string::npos ||
           lower(c.alias).find(search) != std::string::npos;
  }
};

std::expected<Filters, Problem> read_filters(const Url& url) {
  Filters filters;
  for (const auto& [key, value] : url.parameters) {
    if (auto read = read_common_filter(key, value, filters); !read) return std::unexpected(read.error());
    if (key == "tag") filters.tags.push_back(value);
    if (key == "authConfig") filters.auth_config = value;
    if (key == "owner") filters.owner = value;
    if (key == "scope") {
      filters.scope = scope_named(value);
      if (!filters.scope) return refuse_parameter(key, "Has to be PERSONAL, PROJECT or ORGANIZATION.");
    }
    if (key == "endUser") {
      filters.end_user = value;
      filters.by_end_user = true;
    }
    if (key == "status") {
      static constexpr std::string_view kStatuses[] = {"active", "expired", "error", "revoked"};
      const auto status = lower(value);
      if (std::find(std::begin(kStatuses), std::end(kStatuses), status) == std::end(kStatuses))
        return refuse_parameter(key, "Has to be ACTIVE, EXPIRED, ERROR or REVOKED.");
      filters.status = status;
      for (char& c : filters.status) c = char(c - 32);
    }
  }
  return filters;
}

vault::Status status_named(std::string_view text) {
  using vault::Status;
  for (const Status status : {Status::expired, Status::error, Status::revoked})
    if (text == vault::to_string(status)) return status;
  return Status::active;
}

}  // namespace

Answer list_connections(Service& service, Call& call) {
  static constexpr std::string_view kFilters[] = {"search", "provider", "toolkitSlug", "app",
                                                  "status", "endUser",  "tag",         "showDisabled",
                                                  "owner",  "scope",    "authConfig"};
  auto options = read_list_options(call.url, kFilters);
  if (!options) return std::unexpected(options.error());
  auto filters = read_filters(call.url);
  if (!filters) return std::unexpected(filters.error());
  vault::ConnectionQuery query;
  query.app = filters->provider;
  query.auth_config = filters->auth_config;
  if (!filters->status.empty()) query.status = status_named(filters->status);
  const auto visit_each = [&](const Visit& visit) {
    return scan_connections(service, call.caller, query, [&](const Connection& c, bool declared) {
      if (!filters->pass(c)) return true;
      return visit({c.id, c.name, c.created, c.updated}, [&] { return shown(c, declared); });
    });
  };
  // In an order of time the filters would not narrow what is read: those that an index answers are read and sorted.
  const bool narrowed =
      !query.app.empty() || !query.auth_config.empty() || (query.status && *query.status != vault::Status::active);
  if ((options->sort == SortBy::created || options->sort == SortBy::updated) && !narrowed) {
    using Order = vault::ConnectionQuery::Order;
    query.order = options->sort == SortBy::created ? Order::created : Order::updated;
    query.descending = options->descending;
    if (options->after) {
      const auto& [key, id] = *options->after;
      std::from_chars(key.data(), key.data() + key.size(), query.after_time);
      query.after = id;
    }
    return answer_walk(*options, visit_each);
  }
  return answer_list(*options, [&](const std::string& after, const Visit& visit) {
    query.after = after;
    return visit_each(visit);
  });
}

}  // namespace postern::admin
