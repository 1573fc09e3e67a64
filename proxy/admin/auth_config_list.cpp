// GET /api/v1/auth_configs: which of those that the caller's project may use, in which order.
#include "proxy/admin/auth_config_text.hpp"
#include "proxy/admin/listing.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;

std::expected<CommonFilters, Problem> read_filters(const Url& url) {
  CommonFilters filters;
  for (const auto& [key, value] : url.parameters)
    if (auto read = read_common_filter(key, value, filters); !read) return std::unexpected(read.error());
  return filters;
}

}  // namespace

Answer list_auth_configs(Service& service, Call& call) {
  static constexpr std::string_view kFilters[] = {"search", "provider", "toolkitSlug", "app", "showDisabled"};
  auto options = read_list_options(call.url, kFilters);
  if (!options) return std::unexpected(options.error());
  const auto filters = read_filters(call.url);
  if (!filters) return std::unexpected(filters.error());
  std::optional<Problem> failed;
  auto answer =
      answer_list(*options, [&](const std::string& after, const Visit& visit) -> std::expected<void, Problem> {
        vault::AuthConfigQuery query{.organization = call.caller.organization(),
                                     .project = call.caller.project(),
                                     .after = after,
                                     .provider = filters->provider,
                                     .with_disabled = filters->show_disabled.value_or(false)};
        for (;;) {
          const auto page = service.deps.vault->tokens().list_auth_configs(query);
          if (!page) return std::unexpected(vault_problem(page.error()));
          for (const auto& one : page->data) {
            if (!may_use(call.caller, one) || lower(one.name).find(filters->search) == std::string::npos) continue;
            const bool more = visit({one.id, one.name, one.created, one.updated}, [&] {
              auto object = object_of(service, one);
              if (!object && !failed) failed = object.error();
              return object ? std::move(*object) : json::object();
            });
            if (!more) return {};
          }
          if (!page->has_more || page->data.empty()) return {};
          query.after = page->data.back().id;
        }
      });
  if (failed) return std::unexpected(std::move(*failed));
  return answer;
}

}  // namespace postern::admin
