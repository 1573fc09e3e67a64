// Servers become hosts. A variable in a host is a tenant's unless the document lists its values; one in a path is
// written out, unless there are several values to choose from.
#include <algorithm>

#include <fmt/format.h>

#include "config/hosts.hpp"
#include "config/openapi_parts.hpp"

namespace postern::config {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostHosts = 64;
constexpr std::string_view kLabel = "^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$";
// Names that credentials have in entries; a variable of the same name would be taken for one.
constexpr std::string_view kReserved[] = {"apiKey",     "token",        "username",    "password",
                                          "clientId",   "clientSecret", "accessToken", "expiresAt",
                                          "privateKey", "refreshToken", "idToken"};

struct Variable {
  std::string value;                // the default, or the only one of the list
  std::vector<std::string> values;  // `enum`; empty: anything
  std::string description;
};

Variable variable_of(const Node& server, const std::string& name) {
  Variable out;
  const Node* all = server.find("variables");
  const Node* one = all ? all->find(name) : nullptr;
  if (!one) return out;
  out.value = member(*one, "default");
  out.description = one_line(member(*one, "description"));
  if (const Node* list = one->find("enum"); list && list->is_list())
    for (const Node& item : list->items)
      if (item.is_scalar() && out.values.size() < kMostHosts) out.values.push_back(item.text);
  if (out.value.empty() && out.values.size() == 1) out.value = out.values.front();
  return out;
}

bool plain_label(std::string_view text) {
  return !text.empty() && text.size() <= 63 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::string pattern_of(const std::vector<std::string>& values) {
  if (values.empty()) return std::string(kLabel);
  std::string out;
  for (const std::string& value : values) {
    out += out.empty() ? "^(" : "|";
    for (const char c : value) {
      const bool plain =
          (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
      if (!plain) out += '\\';
      out += c;
    }
  }
  // decode_fields takes no longer pattern; that the result is a host or a path is checked in any case.
  return out.size() < 250 ? out + ")$" : "^[A-Za-z0-9._-]{1,63}$";
}

// One server: its URL piece by piece, with what each variable becomes.
class Server {
 public:
  Server(Import& import, const Node& server, const Node& at) : import_(import), server_(server), at_(at) {}

  void run(std::string url) {
    url = absolute(std::move(url));
    if (url.empty()) return;
    const std::size_t scheme = url.find("://");
    if (!https(url.substr(0, scheme))) return;
    url.erase(0, scheme + 3);
    if (url.find_first_of("?#@") != url.npos) return say("a server with a query, a fragment or a user is not mapped");
    const std::size_t slash = end_of_authority(url);
    const auto prefix = path(url.substr(slash));
    if (!prefix) return;
    for (const std::string& authority : authorities(url.substr(0, slash))) add(authority, *prefix);
  }

 private:
  void say(std::string text) { import_.unmapped(at_, std::move(text)); }

  // At the first '/', or at a variable whose value brings it: https://api.example.com{basePath}.
  std::size_t end_of_authority(const std::string& url) const {
    const std::size_t slash = std::min(url.find('/'), url.size());
    for (std::size_t open = url.find('{'); open < slash; open = url.find('{', open + 1)) {
      const std::size_t end = url.find('}', open);
      if (end < slash && variable_of(server_, url.substr(open + 1, end - open - 1)).value.starts_with('/')) return open;
    }
    return slash;
  }

  std::string absolute(std::string url) {
    if (url.find("://") != url.npos) return url;
    const std::string& base = import_.options.base_url;
    if (base.empty()) {
      say(fmt::format("the server URL '{}' is relative: give the service's address with --base-url", one_line(url)));
      return {};
    }
    if (url.starts_with("//")) return "https:" + url;
    const std::size_t path = std::min(base.find('/', base.find("://") + 3), base.size());
    if (url.starts_with('/')) return base.substr(0, path) + url;
    while (url.starts_with("./")) url.erase(0, 2);
    const std::string folder = path == base.size() ? base + "/" : base.substr(0, base.rfind('/') + 1);
    return url == "." || url.empty() ? base : folder + url;
  }

  bool https(std::string scheme) {
    if (scheme.starts_with('{') && scheme.ends_with('}')) {
      const Variable given = variable_of(server_, scheme.substr(1, scheme.size() - 2));
      const bool offered = std::find(given.values.begin(), given.values.end(), "https") != given.values.end();
      scheme = given.values.empty() || offered ? "https" : given.value;
    }
    std::transform(scheme.begin(), scheme.end(), scheme.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    plain_http_ = scheme == "http";
    if (scheme == "https" || plain_http_) return true;
    say(fmt::format("'{}' is not https", one_line(scheme, 20)));
    return false;
  }

  // The variables are written out, or become fields where the document lists several values.
  std::optional<std::string> path(std::string_view text) {
    std::string out;
    while (!text.empty()) {
      const std::size_t open = std::min(text.find('{'), text.size());
      out += literal(text.substr(0, open));
      text.remove_prefix(open);
      if (text.empty()) break;
      const std::size_t end = text.find('}');
      if (end == text.npos) return say("its path has a '{' without '}'"), std::nullopt;
      const std::string name(text.substr(1, end - 1));
      text.remove_prefix(end + 1);
      const Variable given = variable_of(server_, name);
      const bool choice = given.values.size() > 1 && std::all_of(given.values.begin(), given.values.end(), [](auto& v) {
                            return !v.empty() && v.find_first_not_of(
                                                     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW"
                                                     "XYZ0123456789-_.") == v.npos;
                          });
      if (choice) {
        out += field(name, given);
      } else if (given.value.empty() || given.value.find_first_of("{}") != given.value.npos) {
        say(fmt::format("the variable '{}' of its path has no value: give the whole address with --base-url", name));
        return std::nullopt;
      } else {
        out += literal(out.ends_with('/') && given.value.starts_with('/') ? given.value.substr(1) : given.value);
      }
    }
    while (out.ends_with('/')) out.pop_back();
    return out;
  }

  // With variables written as ${…}; several where all of a name's values are listed and none can stay open.
  std::vector<std::string> authorities(std::string text) {
    std::string port;
    if (const std::size_t colon = text.rfind(':'); colon != text.npos) {
      port = text.substr(colon + 1);
      text.resize(colon);
    }
    if (port.starts_with('{') && port.ends_with('}'))
      port = variable_of(server_, port.substr(1, port.size() - 2)).value;
    if (plain_http_ && port == "80") port.clear();
    if (plain_http_ && !port.empty()) {
      say(fmt::format("'http://{}:{}' speaks without TLS", one_line(text), one_line(port, 8)));
      return {};
    }
    std::vector<std::string> out{""};
    if (!expand(text, out)) return {};
    for (std::string& host : out)
      if (!port.empty() && port != "443") host += ":" + port;
    return out;
  }

  bool expand(std::string_view text, std::vector<std::string>& out) {
    const std::string whole(text);
    while (!text.empty()) {
      const std::size_t open = std::min(text.find('{'), text.size());
      for (std::string& host : out) host += text.substr(0, open);
      text.remove_prefix(open);
      if (text.empty()) break;
      const std::size_t end = text.find('}');
      if (end == text.npos) return say("its host has a '{' without '}'"), false;
      const std::string name(text.substr(1, end - 1));
      text.remove_prefix(end + 1);
      const Variable given = variable_of(server_, name);
      if (!stays_open(given, text)) {
        if (given.values.empty()) {
          say(
              fmt::format("'{}': what the variable '{}' may be is nobody's in particular; give the address with "
                          "--base-url",
                          one_line(whole), one_line(name, 40)));
          return false;
        }
        std::vector<std::string> all;
        for (const std::string& host : out)
          for (const std::string& value : given.values)
            if (all.size() < kMostHosts) all.push_back(host + value);
        out = std::move(all);
      } else {
        const std::string variable = field(name, given);
        for (std::string& host : out) host += variable;
      }
    }
    return true;
  }

  // A variable may stay one where what follows is a name that one owner holds, and its listed values are labels.
  static bool stays_open(const Variable& given, std::string_view tail) {
    if (given.values.size() == 1) return false;
    if (!std::all_of(given.values.begin(), given.values.end(), plain_label)) return false;
    const std::size_t dot = tail.find('.');
    if (dot == tail.npos) return false;
    const std::size_t last = tail.rfind('}');
    const std::size_t behind = last == tail.npos ? dot : tail.find('.', last);
    return behind != tail.npos && !is_public_suffix(tail.substr(behind + 1));
  }

  // The template for a field of the entry, which is made where it is not there yet.
  std::string field(const std::string& name, const Variable& given) {
    std::string plain;
    for (const char c : name) {
      const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
      plain += fits ? c : '_';
    }
    if (plain.empty() || (plain[0] >= '0' && plain[0] <= '9')) plain.insert(0, "_");
    if (std::find(std::begin(kReserved), std::end(kReserved), plain) != std::end(kReserved)) plain.insert(0, "server_");
    plain.resize(std::min<std::size_t>(plain.size(), 60));
    json::object spec;
    spec["title"] = one_line(name, 60);
    if (!given.description.empty()) spec["description"] = given.description;
    spec["pattern"] = pattern_of(given.values);
    const bool listed = std::find(given.values.begin(), given.values.end(), given.value) != given.values.end();
    // Without a list the default is somebody: a tenant that was not named must not be one.
    if (listed)
      spec["default"] = given.value;
    else if (plain_label(given.value))
      spec["example"] = given.value;
    for (const json::object* known : {&import_.fields, &fields_})
      if (const auto* there = known->if_contains(plain); there && *there == spec) return "${" + plain + "}";
    if (import_.fields.contains(plain)) plain = free_name(import_.fields, plain, "_");
    fields_[plain] = spec;
    variables_[name] = plain;
    return "${" + plain + "}";
  }

  void add(const std::string& authority, const std::string& prefix) {
    const std::string row = authority + prefix;
    const bool known = std::any_of(import_.hosts.begin(), import_.hosts.end(),
                                   [&](const json::value& host) { return host.as_string() == row; });
    if (known) return;
    if (import_.hosts.size() == kMostHosts)
      return say(fmt::format("'{}': more than {} hosts", one_line(row), kMostHosts));
    const std::string name = authority.substr(0, authority.find(':'));
    if (name == "localhost" || name.ends_with(".localhost") || parse_address(name))
      return say(fmt::format("'{}' is an address of somebody's own machine or network", one_line(authority)));
    json::array hosts = import_.hosts;
    hosts.emplace_back(row);
    json::object fields = import_.fields;
    for (const auto& one : fields_)
      if (row.find("${" + std::string(one.key()) + "}") != row.npos) fields[one.key()] = one.value();
    if (auto wrong = import_.mistake(hosts, fields, {})) return say(fmt::format("'{}': {}", one_line(row), *wrong));
    if (plain_http_)
      import_.remark(at_, fmt::format("'{}' is named with http://; it is called with TLS", one_line(row)));
    import_.hosts = std::move(hosts);
    import_.fields = std::move(fields);
    for (const auto& [from, to] : variables_) import_.variables.emplace(from, to);
    if (import_.base_url.empty()) import_.base_url = "https://" + row;
  }

  Import& import_;
  const Node& server_;
  const Node& at_;
  bool plain_http_ = false;
  json::object fields_;  // that this server would add
  std::map<std::string, std::string> variables_;
};

void add_all(Import& import, const Node* servers) {
  if (!servers || !servers->is_list()) return;
  for (const Node& server : servers->items) {
    const Node* url = server.find("url");
    if (url && url->is_scalar())
      Server(import, server, *url).run(url->text);
    else
      import.unmapped(server, "a server without a URL");
  }
}

}  // namespace

Result<void> import_servers(Import& import) {
  const Node nothing;
  if (const std::string& base = import.options.base_url; !base.empty()) {
    if (!base.starts_with("https://") || base.find_first_of("{}?#") != base.npos)
      return std::unexpected(
          Error{"--base-url", 0, 0, "", "write https://host, https://host:port or https://host/path"});
    Server(import, nothing, nothing).run(base);
    if (import.hosts.empty()) return std::unexpected(Error{"--base-url", 0, 0, "", import.out.unmapped.back().text});
  }
  const Node* servers = import.document.find("servers");
  // Without servers the document's address is "/" (OpenAPI 4.8.1).
  if (!servers || servers->items.empty()) {
    if (import.hosts.empty())
      return std::unexpected(import.document.error("names no servers: give the service's address with --base-url"));
  }
  add_all(import, servers);
  if (const Node* paths = import.document.find("paths"))
    for (const Node& path : paths->items) {
      add_all(import, path.find("servers"));
      for (const Node& operation : path.items) add_all(import, operation.find("servers"));
    }
  if (!import.hosts.empty()) return {};
  std::string why;
  for (const ImportRemark& one : import.out.unmapped) why += (why.empty() ? "" : "; ") + one.text;
  return std::unexpected(servers->error(fmt::format("none of its servers can be a host: {}", one_line(why, 600))));
}

}  // namespace postern::config
