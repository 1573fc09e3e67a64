#include "proxy/admin/listing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <set>

namespace postern::admin {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostOffset = 1'000'000;
constexpr const char* kSortNames[] = {"id", "created", "updated", "name"};

// What is compared: times as fixed-width digits, so that text order is time order.
std::string sort_key(SortBy sort, const ListKey& key) {
  switch (sort) {
    case SortBy::created:
      return fmt::format("{:020}", key.created);
    case SortBy::updated:
      return fmt::format("{:020}", key.updated);
    case SortBy::name:
      return lower(key.name);
    case SortBy::id:
      break;
  }
  return {};
}

std::optional<std::size_t> to_number(std::string_view text, std::size_t least, std::size_t most) {
  std::size_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size() || n < least || n > most) return std::nullopt;
  return n;
}

std::string write_cursor(const ListOptions& options, const std::string& key, const std::string& id) {
  const json::array parts{options.list, kSortNames[std::size_t(options.sort)], options.descending, key, id};
  return base64url(json::serialize(parts));
}

bool is_whole(SortBy sort, std::string_view key, std::string_view id) {
  const bool time = sort == SortBy::created || sort == SortBy::updated;
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (time && (key.size() != 20 || !std::all_of(key.begin(), key.end(), digit))) return false;
  return (sort != SortBy::id || key.empty()) && !id.empty();
}

// False: not a cursor of this list and order, as it was written.
bool read_cursor(std::string_view text, ListOptions& options) {
  const auto bytes = parse_base64url(text);
  if (!bytes || bytes->size() > 2048) return false;
  boost::system::error_code error;
  const auto value = json::parse(*bytes, error);
  if (error || !value.is_array() || value.get_array().size() != 5) return false;
  const auto& parts = value.get_array();
  if (!parts[3].is_string() || !parts[4].is_string()) return false;
  std::string key(parts[3].get_string()), id(parts[4].get_string());
  if (write_cursor(options, key, id) != text || !is_whole(options.sort, key, id)) return false;
  options.after = ListOptions::After{std::move(key), std::move(id)};
  return true;
}

struct Sorting {
  std::optional<SortBy> by;
  std::optional<bool> descending;
  std::optional<std::string_view> cursor;
  std::optional<std::size_t> page;
  bool offset = false;
};

// One parameter of the common ones; an error text if its value is bad, nullopt if it is fine.
std::optional<const char*> read_common(const std::string& key, const std::string& value, ListOptions& options,
                                       Sorting& sorting) {
  if (key == "limit") {
    const auto n = to_number(value, 1, 100);
    if (!n) return "Has to be a number from 1 to 100.";
    options.limit = *n;
  } else if (key == "offset") {
    const auto n = to_number(value, 0, kMostOffset);
    if (!n) return "Has to be a number from 0 to 1000000.";
    options.offset = *n;
    sorting.offset = true;
  } else if (key == "page") {
    sorting.page = to_number(value, 1, kMostOffset / 100);
    if (!sorting.page) return "Has to be a number from 1 to 10000.";
  } else if (key == "sortBy") {
    const auto name = lower(value);
    if (name == "created" || name == "createdat") sorting.by = SortBy::created;
    if (name == "updated" || name == "updatedat") sorting.by = SortBy::updated;
    if (name == "name") sorting.by = SortBy::name;
    if (!sorting.by) return "Has to be created, updated or name.";
  } else if (key == "sortOrder") {
    const auto order = lower(value);
    if (order != "asc" && order != "desc") return "Has to be asc or desc.";
    sorting.descending = order == "desc";
  } else {
    sorting.cursor = value;
  }
  return std::nullopt;
}

struct Found {
  std::string key;
  std::string id;
  json::object shown;
};

Response list_response(const ListOptions& options, std::vector<Found> found, bool more) {
  json::object body;
  json::array data;
  json::value cursor;
  if (more && !found.empty()) cursor = json::string(write_cursor(options, found.back().key, found.back().id));
  for (auto& one : found) data.push_back(std::move(one.shown));
  body["data"] = std::move(data);
  body["cursor"] = std::move(cursor);
  body["hasMore"] = more;
  return json_response(body);
}

}  // namespace

Response json_response(const json::object& body, unsigned status) {
  Response response;
  response.status = status;
  const std::string text = json::serialize(body);
  response.body.assign(text.data(), text.size());
  return response;
}

std::expected<ListOptions, Problem> read_list_options(const Url& url, std::span<const std::string_view> filters) {
  static constexpr std::string_view kCommon[] = {"limit", "cursor", "page", "offset", "sortBy", "sortOrder"};
  ListOptions options;
  options.list = url.path.substr(url.path.rfind('/') + 1);
  Sorting sorting;
  std::set<std::string_view> given;
  for (const auto& [key, value] : url.parameters) {
    if (std::find(filters.begin(), filters.end(), key) != filters.end()) continue;
    if (std::find(std::begin(kCommon), std::end(kCommon), key) == std::end(kCommon))
      return refuse_parameter(is_plain_name(key) ? key : "", "This list has no such parameter.");
    if (!given.insert(key).second) return refuse_parameter(key, "Give it once.");
    if (const auto wrong = read_common(key, value, options, sorting)) return refuse_parameter(key, *wrong);
  }
  if (sorting.page) {
    if (sorting.offset) return refuse_parameter("page", "Give page or offset, not both.");
    options.offset = (*sorting.page - 1) * options.limit;
  }
  if (sorting.descending && !sorting.by) sorting.by = SortBy::created;
  options.sort = sorting.by.value_or(SortBy::id);
  options.descending = sorting.descending.value_or(options.sort == SortBy::created || options.sort == SortBy::updated);
  if (sorting.cursor && (sorting.page || sorting.offset))
    return refuse_parameter("cursor", "Give a cursor, or page or offset, not both.");
  if (sorting.cursor && !sorting.cursor->empty() && !read_cursor(*sorting.cursor, options))
    return refuse_parameter("cursor", "Send the cursor of this list's last answer as it was, with the same order.");
  return options;
}

std::expected<void, Problem> read_common_filter(const std::string& key, const std::string& value, CommonFilters& into) {
  if (key == "search") into.search = lower(value);
  if (key == "provider" || key == "toolkitSlug" || key == "app") {
    if (!into.provider.empty() && into.provider != value)
      return refuse_parameter(key, "Names another provider than the other parameters do.");
    into.provider = value;
  }
  if (key == "showDisabled") {
    if (value != "true" && value != "false") return refuse_parameter(key, "Has to be true or false.");
    into.show_disabled = value == "true";
  }
  return {};
}

std::expected<bool, Problem> read_flag(const Url& url, std::string_view name,
                                       std::initializer_list<std::string_view> others) {
  bool out = false;
  for (const auto& [key, value] : url.parameters) {
    if (std::find(others.begin(), others.end(), key) != others.end()) continue;
    if (key != name) return refuse_parameter(is_plain_name(key) ? key : "", "There is no such parameter here.");
    if (value != "true" && value != "false") return refuse_parameter(key, "Has to be true or false.");
    out = value == "true";
  }
  return out;
}

Answer answer_walk(const ListOptions& options, const Walk& walk) {
  std::vector<Found> found;
  std::size_t skip = options.offset;
  bool more = false;
  auto done = walk([&](const ListKey& key, const Show& show) {
    if (skip > 0) return --skip, true;
    if (found.size() == options.limit) return more = true, false;
    found.push_back({sort_key(options.sort, key), key.id, show()});
    return true;
  });
  if (!done) return std::unexpected(done.error());
  return list_response(options, std::move(found), more);
}

Answer answer_list(const ListOptions& options, const Scan& scan) {
  if (options.sort == SortBy::id) {
    return answer_walk(options,
                       [&](const Visit& visit) { return scan(options.after ? options.after->id : "", visit); });
  }
  // The best offset + limit + 1 items so far, in order.
  auto before = [&](const Found& a, const Found& b) {
    const auto order = a.key == b.key ? a.id.compare(b.id) : a.key.compare(b.key);
    return options.descending ? order > 0 : order < 0;
  };
  std::multiset<Found, decltype(before)> best(before);
  const std::size_t most = options.offset + options.limit + 1;
  const Found after{options.after ? options.after->key : "", options.after ? options.after->id : "", {}};
  auto done = scan("", [&](const ListKey& key, const Show& show) {
    Found one{sort_key(options.sort, key), key.id, {}};
    if (options.after && !before(after, one)) return true;
    if (best.size() == most && !before(one, *best.rbegin())) return true;
    one.shown = show();
    best.insert(std::move(one));
    if (best.size() > most) best.erase(std::prev(best.end()));
    return true;
  });
  if (!done) return std::unexpected(done.error());
  std::vector<Found> page;
  std::size_t at = 0;
  for (const auto& one : best)
    if (at++ >= options.offset && page.size() < options.limit) page.push_back(one);
  return list_response(options, std::move(page), best.size() == most);
}

}  // namespace postern::admin
