// Lists of connections: along an index, each entry judged by the record it leads to.
#include <algorithm>

#include "vault/index.hpp"
#include "vault/vault_impl.hpp"
#include "vault/vault_parts.hpp"

namespace postern::vault {
namespace {

constexpr std::size_t kStride = 256;  // entries looked at together where most of them may not be wanted

bool wanted(const ConnectionQuery& query, const Connection& meta) {
  if (!query.project.empty() && meta.project != query.project) return false;
  if (!query.app.empty() && meta.app != query.app) return false;
  if (query.status && meta.status != *query.status) return false;
  if (!query.auth_config.empty() && meta.auth_config != query.auth_config) return false;
  return query.host.empty() ||
         std::ranges::any_of(meta.destinations, [&](const auto& to) { return to.host == query.host; });
}

bool may_skip(const ConnectionQuery& query) {
  return query.order != ConnectionQuery::Order::id || !query.app.empty() || query.status || !query.host.empty() ||
         !query.auth_config.empty();
}

}  // namespace

// The connection an entry leads to; nullopt: gone or changed since the entry was read.
Result<std::optional<Connection>> SealedVault::follow(const IndexWalk& walk, const IndexWalk::Step& step,
                                                      std::string_view organization) const {
  for (int look = 0; look < kLooks; ++look) {
    auto found = read_connection(organization, step.project, step.id);
    if (!found && found.error().code != Error::Code::not_found) return std::unexpected(found.error());
    if (found && walk.fits(step, *found)) return std::move(*found);
    const auto stands = walk.stands(step);
    if (!stands) return std::unexpected(stands.error());
    if (!*stands) return std::nullopt;
  }
  return fail(Error::Code::corrupt, walk.name(step) + ": the index does not lead to the record it should");
}

Result<ConnectionPage> SealedVault::list_connections(const ConnectionQuery& query) const {
  ConnectionPage page;
  if (!is_reference(query.organization) || (!query.project.empty() && !is_reference(query.project))) return page;
  if (!query.after.empty() && !is_reference(query.after)) return page;
  const std::size_t limit = std::clamp<std::size_t>(query.limit, 1, kLargestPage);
  IndexWalk walk(*records_, query);
  for (;;) {
    const std::size_t left = limit - page.data.size();
    const auto steps = walk.next(may_skip(query) ? std::max(left, kStride) : left);
    if (!steps) return std::unexpected(steps.error());
    for (const auto& step : steps->steps) {
      if (!query.project.empty() && step.project != query.project) continue;
      auto found = follow(walk, step, query.organization);
      if (!found) return std::unexpected(found.error());
      if (!*found || !wanted(query, **found)) continue;
      if (page.data.size() == limit) {
        page.has_more = true;
        return page;
      }
      page.data.push_back(std::move(**found));
    }
    if (!may_skip(query) || !steps->has_more) {
      page.has_more = steps->has_more;
      return page;
    }
  }
}

}  // namespace postern::vault
