#pragma once
// What organizations, projects and users have in common: how they are listed and answered.
#include "proxy/admin/if_match.hpp"
#include "proxy/admin/listing.hpp"
#include "proxy/admin/scope_input.hpp"

namespace postern::admin {

inline constexpr std::size_t kScopeBatch = 256;

// `page` reads those behind an id; `seen` says which of them the caller is shown. `search` looks at names.
template <class T, class Page, class Seen>
Answer list_scopes(const Call& call, const Page& page, const Seen& seen) {
  static constexpr std::string_view kFilters[] = {"search"};
  auto options = read_list_options(call.url, kFilters);
  if (!options) return std::unexpected(options.error());
  std::string search;
  for (const auto& [key, value] : call.url.parameters)
    if (key == "search") search = lower(value);
  return answer_list(*options, [&](std::string after, const Visit& visit) -> std::expected<void, Problem> {
    for (;;) {
      const auto read = page(after);
      if (!read) return std::unexpected(vault_problem(read.error()));
      for (const T& one : read->data) {
        after = one.id;
        if (!seen(one) || lower(one.name).find(search) == std::string::npos) continue;
        if (!visit({one.id, one.name, one.created, one.updated}, [&] { return shown(one); })) return {};
      }
      if (!read->has_more || read->data.empty()) return {};
    }
  });
}

template <class T>
Response scope_response(const T& record, unsigned status = 200) {
  Response response = json_response(shown(record), status);
  response.fields.emplace_back("ETag", etag(record.version));
  return response;
}

template <class T>
Response made_response(const char* collection, const T& record) {
  Response response = scope_response(record, 201);
  response.fields.emplace_back("Location", std::string("/api/v1/") + collection + '/' + record.id);
  return response;
}

// What a change is called: "user.disabled" where it is one, or puts an end to that.
inline std::string changed_to(const std::string& what, bool before, const std::optional<bool>& after) {
  if (!after || *after == before) return what + ".changed";
  return what + (*after ? ".enabled" : ".disabled");
}

inline Response no_content() {
  Response response;
  response.status = 204;
  return response;
}

}  // namespace postern::admin
