// The catalog, and beside it what was imported and is not enabled.
#include <algorithm>
#include <boost/json/array.hpp>

#include "proxy/admin/if_match.hpp"
#include "proxy/admin/listing.hpp"
#include "proxy/admin/provider_text.hpp"
#include "proxy/admin/routes.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;

// In the shape of the catalog file: a map by name.
json::object fields_of(const std::map<std::string, config::FieldSpec>& fields) {
  json::object out;
  for (const auto& [name, field] : fields) {
    json::object one;
    one["title"] = field.title.empty() ? name : field.title;
    one["secret"] = field.secret;
    one["required"] = field.required;
    if (field.list) one["list"] = true;
    if (!field.description.empty()) one["description"] = field.description;
    if (!field.pattern.empty()) one["pattern"] = field.pattern;
    if (!field.example.empty()) one["example"] = field.example;
    if (!field.default_value.empty()) one["default"] = field.default_value;
    out[name] = std::move(one);
  }
  return out;
}

struct Filters {
  std::string search;  // in lower case
  std::string source;  // empty: any
  bool drafts = false;
};

std::expected<Filters, Problem> read_filters(const Url& url) {
  Filters filters;
  for (const auto& [key, value] : url.parameters) {
    if (key == "search") filters.search = lower(value);
    if (key == "showDisabled") {
      if (value != "true" && value != "false") return refuse_parameter(key, "It is true or false.");
      filters.drafts = value == "true";
    }
    if (key == "source") {
      const std::string word = lower(value);
      for (const char* known : {"SHIPPED", "FOLDER", "IMPORTED"})
        if (lower(known) == word) filters.source = known;
      if (filters.source.empty()) return refuse_parameter(key, "It is SHIPPED, FOLDER or IMPORTED.");
    }
  }
  return filters;
}

struct Row {
  std::string id, title;
  json::object object;
};

// What is not in the catalog: drafts, and what a file has taken the id of.
std::expected<std::vector<Row>, Problem> drafts(const Service& service, const config::Catalog& catalog) {
  std::vector<Row> out;
  const auto all = service.deps.vault->imports().list_imports();
  if (!all) return std::unexpected(vault_problem(all.error()));
  for (const vault::ImportedProvider& one : *all) {
    if (catalog.find(one.id)) continue;
    json::object object = imported(one);
    object.erase("entry");
    std::string title(object.at("title").as_string());
    out.push_back({one.id, std::move(title), std::move(object)});
  }
  return out;
}

}  // namespace

json::object shown(const config::Provider& provider) {
  json::array hosts;
  json::object auth;
  for (const auto& host : provider.hosts) {
    std::string text = (host.wildcard ? "*" : "") + host.host;
    if (host.port != 443) text += ':' + std::to_string(host.port);
    hosts.emplace_back(text + host.path_prefix);
  }
  for (const auto& [name, entry] : provider.auth) {
    json::object one;
    one["type"] = entry.type;
    one["title"] = entry.title.empty() ? entry.type : entry.title;
    one["served"] = config::is_served_type(entry.type);
    one["fields"] = fields_of(entry.fields);
    auth[name] = std::move(one);
  }
  json::object out;
  out["id"] = provider.id;
  out["title"] = provider.title.empty() ? provider.id : provider.title;
  out["docs"] = text_or_null(provider.docs);
  out["base_url"] = text_or_null(provider.base_url);
  out["generic"] = provider.generic;
  out["source"] = config::origin_of(provider);
  out["enabled"] = true;
  out["hosts"] = std::move(hosts);
  out["fields"] = fields_of(provider.fields);
  out["auth"] = std::move(auth);
  return out;
}

json::object imported(const vault::ImportedProvider& record) {
  const auto parsed = config::parse_provider(record.yaml, "imported:" + record.id);
  json::object out;
  if (parsed) {
    out = shown(*parsed);
  } else {
    out = {{"id", record.id},        {"title", record.id},       {"docs", nullptr},
           {"base_url", nullptr},    {"generic", false},         {"source", "IMPORTED"},
           {"hosts", json::array()}, {"fields", json::object()}, {"auth", json::object()}};
  }
  out["enabled"] = record.enabled;
  out["created"] = time_or_null(record.created);
  out["updated"] = time_or_null(record.updated);
  out["digest"] = record.digest;
  out["entry"] = record.yaml;
  return out;
}

Answer list_providers(Service& service, Call& call) {
  static constexpr std::string_view kFilters[] = {"search", "source", "showDisabled"};
  auto options = read_list_options(call.url, kFilters);
  if (!options) return std::unexpected(options.error());
  if (options->sort == SortBy::created || options->sort == SortBy::updated)
    return refuse_parameter("sortBy", "Providers can be sorted by name only.");
  const auto filters = read_filters(call.url);
  if (!filters) return std::unexpected(filters.error());
  const auto catalog = service.deps.catalog();
  std::vector<Row> extra;
  if (filters->drafts && (filters->source.empty() || filters->source == "IMPORTED")) {
    auto read = drafts(service, *catalog);
    if (!read) return std::unexpected(read.error());
    extra = std::move(*read);
  }
  std::vector<std::string> ids = catalog->ids();
  for (const Row& row : extra) ids.push_back(row.id);
  std::sort(ids.begin(), ids.end());
  const auto fits = [&](const std::string& id, const std::string& title) {
    return id.find(filters->search) != std::string::npos || lower(title).find(filters->search) != std::string::npos;
  };
  return answer_list(*options, [&](const std::string& after, const Visit& visit) -> std::expected<void, Problem> {
    for (const auto& id : ids) {
      if (id <= after) continue;
      const auto draft = std::find_if(extra.begin(), extra.end(), [&](const Row& row) { return row.id == id; });
      if (draft != extra.end()) {
        if (fits(id, draft->title) && !visit({id, draft->title, 0, 0}, [&] { return draft->object; })) return {};
        continue;
      }
      const auto provider = catalog->find(id);
      if (!provider || !fits(id, provider->title)) continue;
      if (!filters->source.empty() && config::origin_of(*provider) != filters->source) continue;
      if (!visit({id, provider->title, 0, 0}, [&] { return shown(*provider); })) return {};
    }
    return {};
  });
}

Answer show_provider(Service& service, Call& call) {
  const auto provider = service.deps.catalog()->find(call.id);
  if (provider && config::origin_of(*provider) != "IMPORTED") return json_response(shown(*provider));
  const auto record = service.deps.vault->imports().find_import(call.id);
  if (!record && record.error().code == vault::Error::Code::not_found)
    return refuse("not-found", "There is no such provider; GET /api/v1/providers lists them.");
  if (!record) return std::unexpected(vault_problem(record.error()));
  Response response = json_response(imported(*record));
  response.fields.emplace_back("ETag", etag(record->version));
  return response;
}

}  // namespace postern::admin
