// Inject rules, templates in entries, and the fields that no rule may set.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "config/decode.hpp"
#include "config/hosts.hpp"

namespace postern::config {
namespace {

// Framing (RFC 9112), hop-by-hop and routing fields (RFC 9110 section 7.6), and ours. A rule that could set one of them
// would move the request, not authenticate it.
constexpr std::string_view kRefused[] = {
    "host",   "connection", "content-length", "transfer-encoding", "te",          "upgrade", "via", "x-connection-id",
    "expect", "trailer",    "keep-alive",     "http2-settings",    "max-forwards"};
constexpr std::string_view kRefusedPrefixes[] = {"proxy-", "x-postern-"};

bool token(std::string_view text) {  // RFC 9110 section 5.6.2
  constexpr std::string_view extra = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || extra.find(c) != extra.npos;
  });
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

bool json_pointer(std::string_view text) {  // RFC 6901; the whole document is no place for a credential
  if (!text.starts_with('/') || text.size() < 2) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == '~' && (i + 1 == text.size() || (text[i + 1] != '0' && text[i + 1] != '1'))) return false;
  return true;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

struct PlaceName {
  std::string_view key;
  Place place;
};
constexpr PlaceName kPlaces[] = {{"header", Place::header}, {"query", Place::query}, {"cookie", Place::cookie},
                                 {"form", Place::form},     {"json", Place::json},   {"path", Place::path}};

std::optional<std::string> refuse_name(Place place, std::string_view name) {
  switch (place) {
    case Place::header:
      return refuse_header(name);
    case Place::cookie:
      if (!token(name)) return fmt::format("'{}' is not a cookie name", name);
      return std::nullopt;
    case Place::json:
      if (!json_pointer(name)) return fmt::format("'{}' is not a JSON pointer like /auth/token", name);
      return std::nullopt;
    case Place::query:
    case Place::form:
      if (name.empty() || has_control(name)) return "a parameter needs a name";
      return std::nullopt;
    case Place::path:
      return std::nullopt;
  }
  return std::nullopt;
}

// The written text of a template; what its variables add is checked when there is a value.
std::optional<std::string> refuse_value(Place place, const Template& value) {
  if (value.text().empty()) return "the value is empty";
  std::string literals;
  for (const auto& part : value.parts()) literals += part.arguments.empty() ? part.literal : "x";
  const bool line = place == Place::header || place == Place::cookie || place == Place::query || place == Place::path;
  if (line && has_control(literals)) return "the value holds a control character";
  if (place == Place::cookie && literals.find_first_of(" \",;\\") != literals.npos)
    return "a cookie value holds no space, quote, comma, ';' or '\\'";
  if (place != Place::path) return std::nullopt;
  for (const auto& part : value.parts())
    if (part.function == "base64" || part.function == "basic") return "base64 may hold '/', which a path cannot carry";
  if (const auto path = parse_path_prefix(literals); !path) return path.error();
  return literals == "/" ? std::optional<std::string>("the path is empty") : std::nullopt;
}

std::optional<InjectRule> decode_rule(const Node& node, const Names* known, Mistakes& mistakes) {
  const std::size_t before = mistakes.size();
  MapReader in(node, "an inject rule", mistakes);
  const Node* named = nullptr;
  InjectRule rule;
  for (const auto& [key, place] : kPlaces) {
    const Node* found = in.get(key);
    if (!found) continue;
    if (named) mistakes.add(*found, "an inject rule has one place; write a second rule");
    named = found;
    rule.place = place;
  }
  const Node* value = in.get("value");
  in.finish();
  if (mistakes.size() != before) return std::nullopt;
  if (!named) {
    mistakes.add(node, "an inject rule names its place: header, query, cookie, form, json or path");
    return std::nullopt;
  }
  if (rule.place == Place::path) {
    if (value) mistakes.add(*value, "a path rule has no value: the path itself is the template");
    value = named;
  } else {
    rule.name = scalar(*named, mistakes);
    if (mistakes.size() == before)
      if (const auto refused = refuse_name(rule.place, rule.name)) mistakes.add(*named, *refused);
  }
  if (!value) {
    mistakes.add(node, "an inject rule needs a value");
    return std::nullopt;
  }
  auto parsed = decode_template(*value, known, mistakes);
  if (parsed)
    if (const auto refused = refuse_value(rule.place, *parsed)) mistakes.add(*value, *refused);
  if (mistakes.size() != before) return std::nullopt;
  rule.value = std::move(*parsed);
  return rule;
}

}  // namespace

std::optional<std::string> refuse_header(std::string_view name) {
  if (!token(name)) return fmt::format("'{}' is not a header name", name);
  std::string plain = lower(name);
  // Servers that map '-' and '_' to one name would see through the other spelling.
  std::replace(plain.begin(), plain.end(), '_', '-');
  const bool refused = std::find(std::begin(kRefused), std::end(kRefused), plain) != std::end(kRefused) ||
                       std::any_of(std::begin(kRefusedPrefixes), std::end(kRefusedPrefixes),
                                   [&](std::string_view prefix) { return plain.starts_with(prefix); });
  if (refused) return fmt::format("the header '{}' frames or routes the request and cannot be injected", name);
  return std::nullopt;
}

std::optional<Template> decode_template(const Node& node, const Names* known, Mistakes& mistakes) {
  const std::size_t before = mistakes.size();
  const std::string text = scalar(node, mistakes);
  if (mistakes.size() != before) return std::nullopt;
  auto parsed = Template::parse(text);
  if (!parsed) {
    mistakes.add(node, fmt::format("{} (character {} of the template)", parsed.error().message, parsed.error().column));
    return std::nullopt;
  }
  if (known)
    for (const std::string& variable : parsed->variables())
      if (std::find(known->begin(), known->end(), variable) == known->end())
        mistakes.add(node, unknown("variable", variable, *known));
  if (mistakes.size() != before) return std::nullopt;
  return std::move(*parsed);
}

std::vector<InjectRule> decode_rules(const Node& node, const Names* known, Mistakes& mistakes) {
  std::vector<InjectRule> out;
  if (!node.is_list() || node.items.empty()) {
    mistakes.add(node, "inject must be a list of rules like {header: Authorization, value: \"Bearer ${token}\"}");
    return out;
  }
  std::set<std::pair<Place, std::string>> seen;
  for (const Node& item : node.items) {
    auto rule = decode_rule(item, known, mistakes);
    if (!rule) continue;
    const bool folds = rule->place == Place::header;
    if (!seen.insert({rule->place, folds ? lower(rule->name) : rule->name}).second)
      mistakes.add(
          item, rule->place == Place::path ? "a second path rule" : fmt::format("'{}' is injected twice", rule->name));
    out.push_back(std::move(*rule));
  }
  return out;
}

}  // namespace postern::config
