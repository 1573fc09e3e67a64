#pragma once
// Lists: `limit` (10, at most 100), `cursor`, `page`, `offset`, `sortBy`, `sortOrder`; answers {data, cursor, hasMore}.
//
// Without sortBy the order is that of the ids and a page costs a page; so it does with a sortBy whose order the items
// can be read in. Otherwise every visible item is looked at, but only a page (and its offset) is held. A cursor names
// the last item of its page, so nothing is seen twice when items come and go; it is opaque, of one list and one order,
// not secret and not signed: a made-up one only starts somewhere else.
#include <boost/json/object.hpp>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "proxy/admin/json_text.hpp"
#include "proxy/admin/problem.hpp"

namespace postern::admin {

enum class SortBy : std::uint8_t { id, created, updated, name };

struct ListOptions {
  std::string list;  // the last segment of its path
  std::size_t limit = 10;
  std::size_t offset = 0;
  SortBy sort = SortBy::id;
  bool descending = false;
  struct After {
    std::string key, id;
  };
  std::optional<After> after;  // decoded from the cursor
};

// Reads the parameters every list takes; one that is in neither them nor `filters` is refused.
std::expected<ListOptions, Problem> read_list_options(const Url& url, std::span<const std::string_view> filters);

// What lists of connections and of auth configs are both filtered by.
struct CommonFilters {
  std::string search;                 // in lower case; empty: not given
  std::string provider;               // `provider`, `toolkitSlug` and `app` are one; empty: not given
  std::optional<bool> show_disabled;  // absent: not given
};
// Takes the parameter up if it is one of them. Errors: a second provider, showDisabled that is neither true nor false.
std::expected<void, Problem> read_common_filter(const std::string& key, const std::string& value, CommonFilters& into);

// A query parameter that is true or false; absent: false. One that is neither it nor among `others` is refused.
std::expected<bool, Problem> read_flag(const Url& url, std::string_view name,
                                       std::initializer_list<std::string_view> others = {});

struct ListKey {
  std::string id, name;
  std::int64_t created = 0, updated = 0;
};
using Show = std::function<boost::json::object()>;
// Called for each item that passes the filters; false: enough.
using Visit = std::function<bool(const ListKey& key, const Show& show)>;
// Visits items in id order, behind `after` (empty: from the start).
using Scan = std::function<std::expected<void, Problem>(const std::string& after, const Visit& visit)>;

// The same for items that are visited in the order that was asked for, behind options.after.
using Walk = std::function<std::expected<void, Problem>(const Visit& visit)>;
Answer answer_walk(const ListOptions& options, const Walk& walk);

Answer answer_list(const ListOptions& options, const Scan& scan);
// A JSON body with status 200 or another.
Response json_response(const boost::json::object& body, unsigned status = 200);

}  // namespace postern::admin
