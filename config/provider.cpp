// The top level of a catalog entry: hosts, base URL, variables, verify, inheritance. Strict: every key is known.
#include "config/provider.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "config/decode.hpp"
#include "config/hosts.hpp"

namespace postern::config {
namespace {

constexpr std::size_t kMaxBases = 8;

bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= 63 && text.front() != '-' && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

// A template of plain variables; `probe` is its text with "x" for each of them, `normal` with lower-case literals.
struct PlainTemplate {
  Template value;
  std::string probe, normal;
};

std::optional<PlainTemplate> plain_template(const Node& node, std::string_view text, bool folds, const Names& known,
                                            Mistakes& mistakes) {
  Node part = node;
  part.text = text;
  auto parsed = decode_template(part, &known, mistakes);
  if (!parsed) return std::nullopt;
  PlainTemplate out;
  for (const auto& piece : parsed->parts()) {
    if (!piece.function.empty()) {
      mistakes.add(node, "only plain variables may stand in a host, a path prefix or a URL");
      return std::nullopt;
    }
    const bool literal = piece.arguments.empty();
    out.probe += literal ? piece.literal : "x";
    out.normal += literal ? (folds ? lower(piece.literal) : piece.literal) : "${" + piece.arguments[0] + "}";
  }
  out.value = std::move(*parsed);
  return out;
}

// What follows the last variable of a host must be a name that one owner holds: ${tenant}.com would be anybody's.
std::optional<std::string> refuse_suffix(std::string_view host) {
  const std::string_view tail = host.substr(host.rfind('}') + 1);
  if (tail.empty()) return std::nullopt;  // checked against the entry's wildcards
  const std::size_t dot = tail.find('.');
  if (dot == tail.npos) return "a variable cannot be a part of the last label of a host";
  if (is_public_suffix(tail.substr(dot + 1)))
    return fmt::format("'{}' is over a public suffix, where anybody can register a name", host);
  return std::nullopt;
}

std::string show(const HostPattern& pattern) {
  return (pattern.wildcard ? "*" : "") + join_host_port(pattern.host, pattern.port) + pattern.path_prefix;
}

// Some wildcard of the entry, or an equal pattern, holds this host.
bool covered(const std::vector<HostPattern>& hosts, const HostPattern& host) {
  return std::any_of(hosts.begin(), hosts.end(), [&](const HostPattern& pattern) {
    if (pattern.port != host.port) return false;
    return pattern.wildcard ? host.host.find('$') == host.host.npos && under_suffix(host.host, pattern.host)
                            : pattern.host == host.host;
  });
}

void decode_hosts(const Node& node, const Names& variables, Provider& out, Mistakes& mistakes) {
  if (!node.is_list()) return mistakes.add(node, "hosts must be a list of host names");
  Names seen;
  for (const Node& item : node.items) {
    auto pattern = decode_host(item, variables, mistakes);
    if (!pattern) continue;
    const std::string name = show(*pattern);
    if (std::find(seen.begin(), seen.end(), name) != seen.end())
      mistakes.add(item, fmt::format("the host '{}' is listed twice", item.text));
    seen.push_back(name);
    out.hosts.push_back(std::move(*pattern));
  }
  const bool wild = std::any_of(out.hosts.begin(), out.hosts.end(), [](const auto& host) { return host.wildcard; });
  const bool exact = std::any_of(out.hosts.begin(), out.hosts.end(), [](const auto& host) { return !host.wildcard; });
  for (std::size_t i = 0; !wild && i < node.items.size(); ++i) {
    const auto& text = node.items[i].text;
    const std::string host = text.substr(0, text.find_first_of("/:"));
    if (host.ends_with('}'))
      mistakes.add(node.items[i],
                   "a host that ends in a variable needs a '*.suffix' among the hosts, which it must match");
  }
  if (wild && !exact)
    mistakes.add(node, "'*.suffix' is only a pattern for a tenant host; name the host too, with a variable");
}

void decode_pass(const Node& node, Provider& out, Mistakes& mistakes) {
  if (!node.is_list()) return mistakes.add(node, "pass must be a list of field names");
  for (const Node& item : node.items) {
    const std::string text = scalar(item, mistakes);
    if (text.starts_with("query:") && text.size() > 6) {
      out.pass.push_back(text);
    } else if (const auto refused = refuse_header(text)) {
      mistakes.add(item, *refused);
    } else {
      out.pass.push_back(lower(text));
    }
  }
}

void decode_base_url(const Node& node, const Names& variables, Provider& out, Mistakes& mistakes) {
  const std::size_t before = mistakes.size();
  out.base_url = decode_url(node, variables, mistakes);
  if (out.generic) mistakes.add(node, "the generic provider has no base_url; it comes with the connection");
  if (mistakes.size() != before) return;
  Node rest = node;
  rest.text = out.base_url.substr(std::string_view("https://").size());
  const auto host = decode_host(rest, variables, mistakes);
  if (host && !out.hosts.empty() && !covered(out.hosts, *host))
    mistakes.add(node, fmt::format("the host of base_url, '{}', is not among the hosts", host->host));
}

// The host of an endpoint that ends in a variable is whoever the variable says. It must be one of the entry's hosts,
// whose result is checked against the wildcards when a connection is made.
void check_endpoints(const Node& at, const Auth& auth, const Names& variables, const std::vector<HostPattern>& hosts,
                     Mistakes& mistakes) {
  if (!auth.oauth) return;
  for (const Template* url : auth.oauth->endpoints()) {
    if (url->text().empty()) continue;  // a mistake that was told
    Node rest = at;
    rest.kind = Node::Kind::scalar;
    rest.text = url->text().substr(url->text().find("://") + 3);
    rest.text.resize(std::min(rest.text.size(), rest.text.find('/')));
    Mistakes told;
    Names known = variables;
    for (const std::string& name : url->variables()) known.push_back(name);
    const auto host = decode_host(rest, known, told);
    if (!host || !host->host.ends_with('}')) continue;
    if (!covered(hosts, *host))
      mistakes.add(at, fmt::format("the host of '{}' ends in a variable and is not among the hosts", url->text()));
  }
}

void decode_body(MapReader& in, const Node& tree, Provider& out, Mistakes& mistakes) {
  Names variables;
  if (const Node* fields = in.get("fields")) {
    out.fields = decode_fields(*fields, true, mistakes);
    for (const auto& [name, spec] : out.fields) variables.push_back(name);
    if (out.generic && !out.fields.empty()) mistakes.add(*fields, "the generic provider has no fields of its own");
  }
  const Node* hosts = in.get("hosts");
  if (hosts) decode_hosts(*hosts, variables, out, mistakes);
  if (out.generic && hosts) mistakes.add(*hosts, "the generic provider has no hosts; they come with the connection");
  if (!out.generic && (!hosts || (hosts->is_list() && hosts->items.empty())))
    mistakes.add(hosts ? *hosts : tree, "an entry needs hosts: the ones that may see its secrets");
  if (const Node* url = in.get("base_url")) decode_base_url(*url, variables, out, mistakes);
  const Node* auth = in.get("auth");
  if (!auth || !auth->is_map() || auth->keys.empty()) {
    mistakes.add(auth ? *auth : tree, "an entry needs auth: a map with at least one way to authenticate");
  } else {
    for (std::size_t i = 0; i < auth->keys.size(); ++i) {
      const std::string& name = auth->keys[i].text;
      if (!is_id(name)) mistakes.add(auth->keys[i], fmt::format("'{}' is not a name (a-z, 0-9, '_', '-')", name));
      out.auth[name] = decode_auth(name, auth->items[i], variables, out.generic, mistakes);
      check_endpoints(auth->items[i], out.auth[name], variables, out.hosts, mistakes);
    }
  }
  if (const Node* verify = in.get("verify")) out.verify = decode_verify(*verify, variables, mistakes);
  if (const Node* pass = in.get("pass")) decode_pass(*pass, out, mistakes);
}

}  // namespace

bool is_variable_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && !(name[0] >= '0' && name[0] <= '9') &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
         });
}

bool ends_in_variable(const Template& host) {
  return !host.parts().empty() && !host.parts().back().arguments.empty();
}

std::optional<HostPattern> decode_host(const Node& node, const Names& variables, Mistakes& mistakes) {
  const std::size_t before = mistakes.size();
  const std::string text = scalar(node, mistakes);
  if (mistakes.size() != before) return std::nullopt;
  if (text.find("://") != text.npos) {
    mistakes.add(node, "write host, host:port or host/prefix, without a scheme");
    return std::nullopt;
  }
  const std::size_t slash = text.find('/');
  const auto authority = plain_template(node, text.substr(0, slash), true, variables, mistakes);
  const auto path = plain_template(node, slash == text.npos ? "/" : text.substr(slash), false, variables, mistakes);
  if (!authority || !path) return std::nullopt;
  const bool templated = !authority->value.variables().empty();
  const auto host = parse_host_port(authority->probe, !templated);
  const auto prefix = parse_path_prefix(path->probe);
  if (!host) mistakes.add(node, host.error());
  if (!prefix) mistakes.add(node, prefix.error());
  if (!host || !prefix) return std::nullopt;
  HostPattern out;
  out.host = host->host;
  out.wildcard = host->wildcard;
  if (host->has_port) out.port = host->port;
  if (!prefix->empty()) out.path_prefix = path->normal;
  if (templated) {
    out.host = authority->normal;
    if (host->has_port) out.host.resize(out.host.rfind(':'));
    if (const auto refused = refuse_suffix(out.host)) mistakes.add(node, *refused);
  }
  if (out.wildcard && !out.path_prefix.empty()) mistakes.add(node, "a wildcard has no path prefix");
  return mistakes.size() == before ? std::optional(out) : std::nullopt;
}

std::string decode_url(const Node& node, const Names& known, Mistakes& mistakes) {
  const std::size_t before = mistakes.size();
  std::string text = scalar(node, mistakes);
  if (mistakes.size() != before) return {};
  constexpr std::string_view scheme = "https://";
  if (!text.starts_with(scheme)) {
    mistakes.add(node, "a URL here starts with https://");
    return {};
  }
  Node rest = node;
  rest.text = text.substr(scheme.size());
  if (rest.text.starts_with('*')) mistakes.add(node, "a URL has no wildcard");
  if (!decode_host(rest, known, mistakes) || mistakes.size() != before) return {};
  while (text.ends_with('/')) text.pop_back();
  return text;
}

std::map<std::string, std::string> decode_text_map(const Node& node, Mistakes& mistakes) {
  std::map<std::string, std::string> out;
  if (!node.is_map() && !node.is_null()) mistakes.add(node, "must be a map of texts");
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    std::string text = scalar(node.items[i], mistakes);
    if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
      mistakes.add(node.items[i], "holds a control character");
    out[node.keys[i].text] = std::move(text);
  }
  return out;
}

Result<Node> with_bases(Node tree, const FindBase& find) {
  for (std::size_t depth = 0;; ++depth) {
    const Node* extends = tree.find("extends");
    if (!extends) return tree;
    if (depth == kMaxBases) return std::unexpected(extends->error("too many 'extends', or a circle of them"));
    const Node at = *extends;
    auto base = at.is_scalar() ? find(at.text) : std::nullopt;
    if (!base) return std::unexpected(at.error(fmt::format("extends: no entry '{}' in the catalog", at.text)));
    if (!*base) return std::unexpected(base->error());
    if (!(*base)->is_map()) return std::unexpected((*base)->error("an entry must be a map of keys"));
    const auto index = extends - tree.items.data();
    tree.keys.erase(tree.keys.begin() + index);
    tree.items.erase(tree.items.begin() + index);
    tree = merged(**base, tree);
  }
}

std::expected<Provider, std::vector<Error>> decode_provider(const Node& tree, std::string source) {
  Mistakes mistakes;
  Provider out;
  out.source = std::move(source);
  MapReader in(tree, "a catalog entry", mistakes);
  if (const Node* id = in.get("id")) {
    out.id = scalar(*id, mistakes);
    if (id->is_scalar() && !is_id(out.id))
      mistakes.add(*id, fmt::format("'{}' is not an id (a-z, 0-9, '-', '_', at most 63)", out.id));
  } else {
    mistakes.add(tree, "an entry needs an id");
  }
  out.title = in.text("title", out.id);
  out.docs = in.text("docs");
  out.generic = in.flag("generic", false);
  in.get("extends");
  decode_body(in, tree, out, mistakes);
  in.finish();
  if (!mistakes.empty()) return std::unexpected(mistakes.take());
  return out;
}

}  // namespace postern::config
