// upstream.hosts, egress.allow, intercept.hosts and connections: the settings that are lists and maps of rows.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "config/hosts.hpp"
#include "config/provider.hpp"
#include "config/settings_rows.hpp"

namespace postern::config {
namespace {

using Value = boost::json::value;

Value text(const std::string& value) {
  return boost::json::string(value);
}

std::string pattern_of(const HostPort& host, std::uint16_t port) {
  return (host.wildcard ? "*" : "") + join_host_port(host.host, port);
}

void read_resolve(const Node& node, HostException& row, Mistakes& mistakes) {
  const std::size_t before = mistakes.size();
  const std::string written = scalar(node, mistakes);
  if (mistakes.size() != before) return;
  const auto parsed = parse_host_port(written, false);
  if (!parsed) return mistakes.add(node, parsed.error());
  if (!parsed->ip) return mistakes.add(node, fmt::format("resolve takes an address, not the name '{}'", written));
  if (is_metadata(*parse_address(parsed->host)))
    return mistakes.add(node, fmt::format("'{}' is a metadata address, which is never allowed", parsed->host));
  row.resolve = join_host_port(parsed->host, parsed->has_port ? parsed->port : row.port);
}

void read_exception(const Node& key, const Node& node, Settings& out, Reading& in) {
  const auto parsed = parse_host_port(key.text, true);
  if (!parsed) return in.mistakes.add(key, parsed.error());
  HostException row;
  row.host = parsed->host;
  row.wildcard = parsed->wildcard;
  if (parsed->has_port) row.port = parsed->port;
  row.pattern = pattern_of(*parsed, row.port);
  for (const HostException& other : out.upstream_hosts)
    if (other.pattern == row.pattern)
      return in.mistakes.add(key, fmt::format("the host pattern '{}' is written twice", row.pattern));
  const std::size_t before = in.mistakes.size();
  MapReader map(node, fmt::format("upstream.hosts '{}'", key.text), in.mistakes);
  const Node* resolve = map.get("resolve");
  const Node* trust = map.get("trust");
  const Node* addresses = map.get("addresses");
  map.finish();
  if (resolve) read_resolve(*resolve, row, in.mistakes);
  if (trust) row.trust = read_path(*trust, in);
  if (addresses && !addresses->is_list()) in.mistakes.add(*addresses, "addresses is a list of ranges like 10.0.0.0/8");
  for (const Node& item : addresses ? addresses->items : std::vector<Node>()) {
    const auto range = parse_range(scalar(item, in.mistakes));
    if (range)
      row.addresses.push_back(*range);
    else if (item.is_scalar())
      in.mistakes.add(item, range.error());
  }
  if (!resolve && !trust && !addresses && in.mistakes.size() == before)
    in.mistakes.add(key, "this row says nothing; give it resolve, trust or addresses");
  out.upstream_hosts.push_back(std::move(row));
}

bool is_name(std::string_view text) {  // the grammar of every id a caller may send (DESIGN section 1)
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

void read_value(const Node& node, DeclaredConnection& row, Reading& in) {
  if (!node.is_map()) return in.mistakes.add(node, "value is a map of fields like {apiKey: {file: /run/secrets/key}}");
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const Node& field = node.items[i];
    if (!field.is_map()) {
      in.mistakes.add(field, fmt::format("secrets come from files: write {}: {{file: PATH}}", node.keys[i].text));
      continue;
    }
    const std::size_t before = in.mistakes.size();
    MapReader map(field, fmt::format("the field '{}'", node.keys[i].text), in.mistakes);
    const Node* file = map.get("file");
    map.finish();
    if (file)
      row.value[node.keys[i].text] = {read_path(*file, in)};
    else if (in.mistakes.size() == before)
      in.mistakes.add(field, fmt::format("secrets come from files: write {}: {{file: PATH}}", node.keys[i].text));
  }
}

void check_words(const Node& node, const DeclaredConnection& row, Reading& in) {
  const auto at = [&](std::string_view key) -> const Node& {
    const Node* found = node.find(key);
    return found ? *found : node;
  };
  if (row.app.empty()) in.mistakes.add(at("app"), "a connection needs an app: the id of a catalog entry");
  if (!is_name(row.alias) || row.alias == "-")
    in.mistakes.add(at("alias"), fmt::format("'{}' is not an alias (A-Z, a-z, 0-9, '_', '-', at most 64)", row.alias));
  for (std::string_view prefix : {"conn_", "ac_", "tok_", "link_"})
    if (row.alias.starts_with(prefix))
      in.mistakes.add(at("alias"), fmt::format("an alias may not look like an id ('{}…')", prefix));
  if (!row.id.empty() && !is_name(row.id))
    in.mistakes.add(at("id"), fmt::format("'{}' is not an id (A-Z, a-z, 0-9, '_', '-', at most 64)", row.id));
  const auto& types = known_types();
  if (!row.type.empty() && std::find(types.begin(), types.end(), row.type) == types.end())
    in.mistakes.add(at("type"), unknown("type", row.type, types));
  if (row.scope == "PERSONAL")
    in.mistakes.add(at("scope"), "a declared connection has no owner; its scope is PROJECT or ORGANIZATION");
  else if (row.scope != "PROJECT" && row.scope != "ORGANIZATION")
    in.mistakes.add(at("scope"), fmt::format("'{}' is not one of PROJECT, ORGANIZATION", row.scope));
}

DeclaredConnection read_connection(const Node& node, Reading& in) {
  DeclaredConnection row;
  row.line = node.line;
  row.column = node.column;
  const std::size_t before = in.mistakes.size();
  MapReader map(node, "a connection", in.mistakes);
  row.app = map.text("app");
  row.alias = map.text("alias", row.app);
  row.id = map.text("id");
  row.type = map.text("type");
  row.auth = map.text("auth");
  row.name = map.text("name", row.alias);
  row.scope = map.text("scope", "PROJECT");
  const Node* value = map.get("value");
  const Node* config = map.get("config");
  map.finish();
  if (value) read_value(*value, row, in);
  if (config && !config->is_map() && !config->is_null()) in.mistakes.add(*config, "config must be a map");
  if (config && config->is_map()) row.config_json = boost::json::serialize(to_json(*config));
  if (in.mistakes.size() == before) check_words(node, row, in);
  return row;
}

// What is to be intercepted has to be a name that a local CA can be confined to (authority_names.hpp).
enum class Names : bool { any, confining };

std::vector<HostRule> read_rules(const Node& list, Names kind, Reading& in) {
  std::vector<HostRule> rules;
  std::set<std::string> seen;
  for (const Node& item : list.items) {
    const std::size_t before = in.mistakes.size();
    const std::string written = scalar(item, in.mistakes);
    if (in.mistakes.size() != before) continue;
    const auto parsed = parse_host_port(written, true);
    if (!parsed) {
      in.mistakes.add(item, parsed.error());
      continue;
    }
    if (kind == Names::confining && !parsed->ip && !parsed->wildcard && is_public_suffix(parsed->host)) {
      in.mistakes.add(item, fmt::format("'{}' cannot be intercepted: a CA for it would hold for whatever is "
                                        "registered below it",
                                        written));
      continue;
    }
    HostRule rule{parsed->host, parsed->wildcard, parsed->has_port ? parsed->port : std::uint16_t{443}};
    const std::string pattern = pattern_of(*parsed, rule.port);
    if (!seen.insert(pattern).second)
      in.mistakes.add(item, fmt::format("the host pattern '{}' is written twice", pattern));
    rules.push_back(std::move(rule));
  }
  return rules;
}

Value show_rules(const std::vector<HostRule>& rules) {
  boost::json::array all;
  for (const HostRule& rule : rules)
    all.push_back(text((rule.wildcard ? "*" : "") + join_host_port(rule.host, rule.port)));
  return all;
}

}  // namespace

void read_upstream_hosts(const Node& node, Settings& out, Reading& in) {
  if (!node.is_map() && !node.is_null()) return in.mistakes.add(node, "must be a map of host:port to exceptions");
  out.upstream_hosts.clear();
  for (std::size_t i = 0; i < node.keys.size(); ++i) read_exception(node.keys[i], node.items[i], out, in);
}

Value show_upstream_hosts(const Settings& settings) {
  boost::json::object all;
  for (const HostException& row : settings.upstream_hosts) {
    boost::json::object one;
    if (!row.resolve.empty()) one["resolve"] = text(row.resolve);
    if (!row.trust.empty()) one["trust"] = text(row.trust.string());
    for (const std::string& range : row.addresses) {
      if (!one.contains("addresses")) one["addresses"] = boost::json::array();
      one["addresses"].as_array().push_back(text(range));
    }
    all[row.pattern] = std::move(one);
  }
  return all;
}

void read_egress_allow(const Node& node, Settings& out, Reading& in) {
  if (!node.is_list())
    return in.mistakes.add(node, "must be a list of hosts like [\"pypi.org:443\", \"*.debian.org\"]");
  out.egress_allow = read_rules(node, Names::any, in);
}

Value show_egress_allow(const Settings& settings) {
  return show_rules(settings.egress_allow);
}

void read_intercept_hosts(const Node& node, Settings& out, Reading& in) {
  if (!node.is_list())
    return in.mistakes.add(node, "must be a list of hosts like [\"api.github.com\", \"*.slack.com\"]");
  out.intercept_hosts = read_rules(node, Names::confining, in);
}

Value show_intercept_hosts(const Settings& settings) {
  return show_rules(settings.intercept_hosts);
}

void read_connections(const Node& node, Settings& out, Reading& in) {
  if (!node.is_list()) return in.mistakes.add(node, "must be a list of connections");
  out.connections.clear();
  std::set<std::string> aliases, ids;
  for (const Node& item : node.items) {
    DeclaredConnection row = read_connection(item, in);
    if (!row.alias.empty() && !aliases.insert(row.alias).second)
      in.mistakes.add(item, fmt::format("the alias '{}' is taken by an earlier row", row.alias));
    if (!row.id.empty() && !ids.insert(row.id).second)
      in.mistakes.add(item, fmt::format("the id '{}' is taken by an earlier row", row.id));
    out.connections.push_back(std::move(row));
  }
}

Value show_connections(const Settings& settings) {
  boost::json::array all;
  for (const DeclaredConnection& row : settings.connections) {
    boost::json::object one;
    for (const auto& [key, value] : {std::pair{"alias", &row.alias},
                                     {"id", &row.id},
                                     {"app", &row.app},
                                     {"type", &row.type},
                                     {"auth", &row.auth},
                                     {"name", &row.name},
                                     {"scope", &row.scope}})
      if (!value->empty()) one[key] = text(*value);
    boost::json::object files;
    for (const auto& [field, value] : row.value)
      files[field] = boost::json::object{{"file", text(value.file.string())}};
    if (!files.empty()) one["value"] = std::move(files);
    if (row.config_json != "{}") one["config"] = boost::json::parse(row.config_json);
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace postern::config
