// oauth2 flows and openIdConnect. What a discovery document names is believed only where its issuer is, or where an
// administrator has said so: whoever can change that document must not choose where client secrets go.
#include <algorithm>

#include <fmt/format.h>

#include "config/expand.hpp"
#include "config/openapi_parts.hpp"

namespace postern::config {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostScopes = 500;

json::array array_of(const std::vector<std::string>& texts) {
  return json::array(texts.begin(), texts.end());
}

bool fits_scope(std::string_view text) {  // RFC 6749 section 3.3
  return !text.empty() && text.size() <= 256 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '"' && c != '\\'; });
}

// URLs of flows: variables of servers are known, relative ones begin at the base URL; nullopt: said why.
class Urls {
 public:
  Urls(Import& import, const std::string& name) : import_(import), name_(name) {}

  std::optional<std::string> endpoint(const Node& flow, const char* key, bool wanted) {
    const Node* at = flow.find(key);
    if (!at || !at->is_scalar() || at->text.empty()) {
      if (wanted) import_.unmapped(flow, fmt::format("{}: names no {}", name_, key));
      return std::nullopt;
    }
    std::string url = at->text;
    if (url.find("://") == url.npos && import_.base_url.starts_with("https://")) {
      const std::size_t path = std::min(import_.base_url.find('/', 8), import_.base_url.size());
      url = import_.base_url.substr(0, path) + (url.starts_with('/') ? "" : "/") + url;
    } else if (auto open = opened(url)) {
      url = std::move(*open);
    }
    if (url.starts_with("https://")) return url;
    import_.unmapped(*at, fmt::format("{}: its {} is not https", name_, key));
    return std::nullopt;
  }

  // `{tenant}` of a server is `${tenant}` here; everything else means itself. nullopt: another variable.
  std::optional<std::string> opened(std::string_view url) const {
    std::string out;
    while (!url.empty()) {
      const std::size_t open = std::min(url.find('{'), url.size());
      out += literal(url.substr(0, open));
      url.remove_prefix(open);
      if (url.empty()) break;
      const std::size_t end = url.find('}');
      const auto known = import_.variables.find(std::string(url.substr(1, end == url.npos ? end : end - 1)));
      if (end == url.npos || known == import_.variables.end()) return std::nullopt;
      out += "${" + known->second + "}";
      url.remove_prefix(end + 1);
    }
    return out;
  }

 private:
  Import& import_;
  const std::string& name_;
};

// The query of an authorize URL is what it takes besides; a token URL has none.
json::object authorize_of(std::string url) {
  json::object out, params;
  const std::size_t query = url.find('?');
  std::string rest = query == url.npos ? "" : url.substr(query + 1);
  out["url"] = url.substr(0, query);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string pair = rest.substr(0, end);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (equals > 0) params[pair.substr(0, equals)] = equals < pair.size() ? pair.substr(equals + 1) : "";
    rest.erase(0, end + 1);
  }
  if (!params.empty()) out["params"] = std::move(params);
  out["pkce"] = "supported";
  return out;
}

json::object scopes_of(const std::vector<std::string>& available, const std::vector<std::string>& wanted) {
  json::object out;
  std::vector<std::string> defaults;
  for (const std::string& scope : wanted)
    if (available.empty() || std::find(available.begin(), available.end(), scope) != available.end())
      defaults.push_back(scope);
  if (!defaults.empty()) out["default"] = array_of(defaults);
  if (!available.empty()) out["available"] = array_of(available);
  return out;
}

std::vector<std::string> names_in(const Node* map) {
  std::vector<std::string> out;
  if (map)
    for (const Node& key : map->keys)
      if (fits_scope(key.text) && out.size() < kMostScopes) out.push_back(key.text);
  return out;
}

void note_endpoint(Import& import, const std::string& url) {
  const auto host = https_host(url);
  auto& all = import.out.endpoints;
  if (host && std::find(all.begin(), all.end(), *host) == all.end()) all.push_back(*host);
}

std::optional<json::object> oauth_entry(Import& import, const std::string& name, const Node& flow, bool code) {
  Urls urls(import, name);
  json::object entry{{"type", code ? "OAUTH2" : "OAUTH2_CLIENT_CREDENTIALS"}, {"title", one_line(name, 60)}};
  if (code) {
    const auto authorize = urls.endpoint(flow, "authorizationUrl", true);
    if (!authorize) return std::nullopt;
    entry["authorize"] = authorize_of(*authorize);
    note_endpoint(import, *authorize);
  }
  const auto token = urls.endpoint(flow, "tokenUrl", true);
  if (!token) return std::nullopt;
  entry["token"] = json::object{{"url", *token}};
  note_endpoint(import, *token);
  const auto refresh = urls.endpoint(flow, "refreshUrl", false);
  if (refresh && *refresh != *token) {
    entry["refresh"] = json::object{{"url", *refresh}};
    note_endpoint(import, *refresh);
  }
  if (auto scopes = scopes_of(names_in(flow.find("scopes")), wanted_scopes(import, name)); !scopes.empty())
    entry["scopes"] = std::move(scopes);
  return entry;
}

// --- discovery
// --------------------------------------------------------------------------------------------------------

std::string text_of(const json::object& document, std::string_view key) {
  const auto* value = document.if_contains(key);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::vector<std::string> list_of(const json::object& document, std::string_view key) {
  std::vector<std::string> out;
  const auto* value = document.if_contains(key);
  if (!value || !value->is_array()) return out;
  for (const json::value& item : value->get_array())
    if (item.is_string() && fits_scope(std::string_view(item.get_string())) && out.size() < kMostScopes)
      out.emplace_back(item.get_string());
  return out;
}

bool holds(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

std::string client_auth(const json::object& document) {
  const auto methods = list_of(document, "token_endpoint_auth_methods_supported");
  if (methods.empty() || holds(methods, "client_secret_basic")) return "basic";
  if (holds(methods, "client_secret_post")) return "body";
  if (holds(methods, "private_key_jwt")) return "private_key_jwt";
  return holds(methods, "none") ? "none" : "basic";
}

class Discovered {
 public:
  Discovered(Import& import, const std::string& name, const Node& scheme, const std::string& url)
      : import_(import), name_(name), scheme_(scheme), url_(url) {}

  std::vector<AuthEntry> read(const std::string& bytes) {
    json::parse_options options;
    options.max_depth = 64;
    boost::system::error_code error;
    if (bytes.size() > kMaxDiscovery) return say("its discovery document is larger than 256 KiB");
    const json::value parsed = json::parse(bytes, error, {}, options);
    if (error || !parsed.is_object()) return say("its discovery document is not a JSON object");
    const json::object& document = parsed.get_object();
    issuer_ = https_host(text_of(document, "issuer")).value_or("");
    if (issuer_.empty() || issuer_ != https_host(url_))
      return say(fmt::format("the issuer of its discovery document, '{}', is not where the document is",
                             one_line(text_of(document, "issuer"))));
    return entries(document);
  }

 private:
  std::vector<AuthEntry> say(std::string why) {
    import_.unmapped(scheme_, fmt::format("{}: {}", one_line(name_, 64), why));
    return {};
  }

  // The issuer's own, or on a host that was confirmed; empty: absent, or not believed.
  std::string endpoint(const json::object& document, std::string_view key) {
    const std::string url = text_of(document, key);
    if (url.empty()) return {};
    const auto host = https_host(url);
    if (!host || url.find_first_of("?#{}") != url.npos) {
      import_.unmapped(scheme_, fmt::format("{}: its {} is not a plain https URL", one_line(name_, 64), key));
      return {};
    }
    if (*host != issuer_ && !import_.options.confirmed.contains(*host)) {
      auto& all = import_.out.unconfirmed;
      if (!holds(all, *host)) all.push_back(*host);
      return {};
    }
    note_endpoint(import_, url);
    return literal(url);
  }

  std::vector<AuthEntry> entries(const json::object& document) {
    const std::string authorize = endpoint(document, "authorization_endpoint");
    const std::string token = endpoint(document, "token_endpoint");
    const std::string revoke = endpoint(document, "revocation_endpoint");
    const std::string introspect = endpoint(document, "introspection_endpoint");
    if (!import_.out.unconfirmed.empty()) return {};
    if (token.empty()) return say("its discovery document names no token_endpoint");
    const json::object call{{"url", token}, {"client_auth", client_auth(document)}};
    const auto scopes = list_of(document, "scopes_supported");
    auto grants = list_of(document, "grant_types_supported");
    if (grants.empty()) grants = {"authorization_code"};  // Discovery section 3
    std::vector<AuthEntry> out;
    if (holds(grants, "authorization_code") && !authorize.empty()) {
      json::object entry{{"type", "OAUTH2"}, {"title", one_line(name_, 60)}};
      json::object page{{"url", authorize}, {"pkce", "supported"}};
      if (const auto* says = document.if_contains("authorization_response_iss_parameter_supported");
          says && says->is_bool() && says->get_bool())
        page["issuer"] = literal(text_of(document, "issuer"));
      entry["authorize"] = std::move(page);
      entry["token"] = call;
      if (!revoke.empty()) entry["revoke"] = json::object{{"url", revoke}};
      if (!introspect.empty()) entry["introspect"] = json::object{{"url", introspect}};
      auto wanted = wanted_scopes(import_, name_);
      if (wanted.empty()) wanted = {"openid"};
      if (holds(scopes, "offline_access") && !holds(wanted, "offline_access")) wanted.emplace_back("offline_access");
      if (auto said = scopes_of(scopes, wanted); !said.empty()) entry["scopes"] = std::move(said);
      out.push_back({"", std::move(entry)});
    }
    if (holds(grants, "client_credentials") && call.at("client_auth") != "none") {
      json::object entry{{"type", "OAUTH2_CLIENT_CREDENTIALS"}, {"title", one_line(name_, 60)}, {"token", call}};
      if (!scopes.empty()) entry["scopes"] = json::object{{"available", array_of(scopes)}};
      out.push_back({"-client", std::move(entry)});
    }
    if (out.empty()) say("its discovery document offers neither authorization_code nor client_credentials");
    return out;
  }

  Import& import_;
  const std::string& name_;
  const Node& scheme_;
  const std::string& url_;
  std::string issuer_;
};

// One entry alone has the scheme's own name.
std::vector<AuthEntry> named(std::vector<AuthEntry> entries) {
  if (entries.size() == 1) entries.front().suffix.clear();
  return entries;
}

}  // namespace

std::vector<std::string> wanted_scopes(const Import& import, const std::string& name) {
  std::vector<std::string> out;
  const Node* security = import.document.find("security");
  if (!security) return out;
  for (const Node& requirement : security->items)
    if (const Node* scopes = requirement.find(name); scopes && scopes->is_list())
      for (const Node& scope : scopes->items)
        if (fits_scope(scope.text) && !holds(out, scope.text)) out.push_back(scope.text);
  return out;
}

std::vector<AuthEntry> import_oauth2(Import& import, const std::string& name, const Node& scheme) {
  std::vector<AuthEntry> out;
  const Node* flows = scheme.find("flows");
  if (!flows || !flows->is_map() || flows->items.empty()) {
    import.unmapped(scheme, fmt::format("{}: names no flows", one_line(name, 64)));
    return out;
  }
  for (std::size_t i = 0; i < flows->items.size(); ++i) {
    const std::string& kind = flows->keys[i].text;
    const Node& flow = flows->items[i];
    if (kind.starts_with("x-")) continue;
    const bool code = kind == "authorizationCode";
    if (code || kind == "clientCredentials") {
      if (auto entry = oauth_entry(import, name, flow, code)) out.push_back({code ? "" : "-client", std::move(*entry)});
      continue;
    }
    const std::string_view why = kind == "implicit"   ? "gives tokens to a browser and none that can be renewed"
                                 : kind == "password" ? "wants a person's password, which is not kept here"
                                 : kind == "deviceAuthorization" ? "is not imported; write its entry by hand (`device`)"
                                                                 : "is not known here";
    import.unmapped(flows->keys[i], fmt::format("{}: the {} flow {}", one_line(name, 64), one_line(kind, 40), why));
  }
  std::sort(import.out.endpoints.begin(), import.out.endpoints.end());
  return named(std::move(out));
}

std::vector<AuthEntry> import_openid(Import& import, const std::string& name, const Node& scheme) {
  const std::string url = member(scheme, "openIdConnectUrl");
  if (!https_host(url)) {
    import.unmapped(scheme, fmt::format("{}: its openIdConnectUrl is not https", one_line(name, 64)));
    return {};
  }
  const auto given = import.options.discovery.find(url);
  if (given == import.options.discovery.end()) {
    if (!holds(import.out.discovery, url)) import.out.discovery.push_back(url);
    return {};
  }
  auto out = Discovered(import, name, scheme, url).read(given->second);
  std::sort(import.out.endpoints.begin(), import.out.endpoints.end());
  return named(std::move(out));
}

}  // namespace postern::config
