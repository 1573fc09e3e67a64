// Rules are checked and encoded once, when the injection is made; apply() copies views, and edits a body if a rule
// asks.
#include "proxy/inject/field.hpp"

#include <algorithm>
#include <optional>

#include "proxy/inject/body.hpp"
#include "proxy/wire/field_policy.hpp"

namespace postern::inject {
namespace {

using Problem = std::optional<std::string>;

constexpr std::string_view place_name(Place place) {
  switch (place) {
    case Place::header:
      return "header";
    case Place::query:
      return "query";
    case Place::cookie:
      return "cookie";
    case Place::form:
      return "form";
    case Place::json:
      return "json";
    case Place::path:
      return "path";
  }
  return "";
}

// "header Authorization". Names come from the catalog; a control character in one must not reach a log line.
std::string describe_rule(const Rule& rule) {
  std::string out(place_name(rule.place));
  if (!rule.name.empty()) out += ' ';
  for (const char c : rule.name) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return out;
}

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

bool has_outer_blank(std::string_view text) {
  return !text.empty() && (is_blank(text.front()) || is_blank(text.back()));
}

Problem check_header(const Rule& rule) {
  if (!wire::is_token(rule.name)) return "the name is no header name";
  const wire::FieldId id = wire::identify_field(rule.name);
  if (wire::is_hop_by_hop(id) || id == wire::FieldId::via || id == wire::FieldId::expect ||
      id == wire::FieldId::max_forwards)
    return "this header frames or routes the message and cannot carry a credential";
  for (const std::string_view framing : {"Content-Length", "Transfer-Encoding", "Host", "X-Connection-Id"})
    if (wire::is_underscore_spelling(rule.name, framing))
      return "some servers read this name as " + std::string(framing);
  if (!wire::is_field_value(rule.value.expose())) return "the value has a line end or a control character";
  if (has_outer_blank(rule.value.expose()))
    return "the value starts or ends with a space, or is a scheme without a value";
  return {};
}

Problem check_cookie(const Rule& rule) {
  const std::string_view value = rule.value.expose();
  if (!wire::is_token(rule.name)) return "the name is no cookie name";
  // RFC 6265 section 4.1.1 allows less; what breaks the field or starts another cookie is refused.
  if (!wire::is_field_value(value) || value.find(';') != value.npos || value.find('\t') != value.npos)
    return "the value has ';' or a control character";
  if (has_outer_blank(value)) return "the value starts or ends with a space";
  return {};
}

Problem check_json(const Rule& rule) {
  const auto tokens = parse_pointer(rule.name);
  if (!tokens) return tokens.error();
  if (!is_utf8(rule.value.expose())) return "the value is not UTF-8";
  return {};
}

// "." or "..", also with %2e: a server would walk out of the prefix.
bool is_dot_segment(std::string_view segment) {
  std::size_t dots = 0;
  for (std::size_t i = 0; i < segment.size(); ++i, ++dots) {
    if (segment[i] == '.') continue;
    if (!wire::iequals(segment.substr(i, 3), "%2e")) return false;
    i += 2;
  }
  return dots == 1 || dots == 2;
}

// Written as it stands, so it must be a path already. One '/' at its end is cut off before: the path brings its own.
Problem check_path(const Rule& rule) {
  const std::string_view value = rule.value.expose();
  if (!rule.name.empty()) return "a path rule has no name";
  if (!value.starts_with('/') || value.size() < 2) return "the prefix must start with '/' and not end there";
  for (const char c : value)
    if (c <= ' ' || c >= 0x7f || c == '?' || c == '#' || c == '\\')
      return "the prefix has a space, '?', '#', '\\', a control or a non-ASCII character: percent-encode it";
  for (std::size_t at = 0; at < value.size();) {
    const std::size_t end = std::min(value.find('/', at + 1), value.size());
    const std::string_view segment = value.substr(at + 1, end - at - 1);
    if (segment.empty() || is_dot_segment(segment)) return "the prefix has an empty or a dot segment";
    at = end;
  }
  return {};
}

Problem check(const Rule& rule) {
  if (rule.value.empty()) return "the value is empty";
  switch (rule.place) {
    case Place::header:
      return check_header(rule);
    case Place::cookie:
      return check_cookie(rule);
    case Place::json:
      return check_json(rule);
    case Place::path:
      return check_path(rule);
    case Place::query:
    case Place::form:
      if (rule.name.empty()) return "the parameter has no name";
      return {};
  }
  return "no such place";
}

// Two rules that would write the same thing, or need a body of two kinds.
Problem check_pair(const Rule& a, const Rule& b) {
  const auto either = [&](Place place, std::string_view header) {
    return (a.place == place && b.place == Place::header && wire::iequals(b.name, header)) ||
           (b.place == place && a.place == Place::header && wire::iequals(a.name, header));
  };
  if (either(Place::cookie, "Cookie")) return "the Cookie header and cookies exclude each other";
  if (either(Place::form, "Content-Type") || either(Place::json, "Content-Type"))
    return "the Content-Type header is set by the body rule";
  if ((a.place == Place::form && b.place == Place::json) || (a.place == Place::json && b.place == Place::form))
    return "a body is a form or JSON, not both";
  if (a.place != b.place) return {};
  const bool same = a.place == Place::header ? wire::iequals(a.name, b.name) : a.name == b.name;
  const bool inside = a.place == Place::json && (a.name.starts_with(b.name + '/') || b.name.starts_with(a.name + '/'));
  if (same || inside) return "another rule writes there too";
  return {};
}

class FieldInjection final : public Injection {
 public:
  explicit FieldInjection(std::vector<Rule> rules) : rules_(std::move(rules)) {
    for (const Rule& rule : rules_) {
      add_place(rule);
      add_masks(rule);
      spots_.push_back({rule.place, rule.name});
    }
  }

  std::uint8_t needs() const override { return bodies_.empty() ? needs_head : needs_head | needs_body; }
  const std::vector<Spot>& spots() const override { return spots_; }
  const std::vector<vault::Secret>& masks() const override { return masks_; }

  std::string describe() const override {
    std::string out;
    for (const Rule& rule : rules_) out += (out.empty() ? "" : ", ") + describe_rule(rule);
    return out;
  }

  std::expected<void, Error> apply(const Inputs& in, Changes& out) const override {
    out.clear();
    if (!bodies_.empty()) {
      auto edited = edit_body(in, out);
      if (!edited) {
        out.clear();
        return edited;
      }
    }
    out.headers.assign(headers_.begin(), headers_.end());
    out.query.assign(query_.begin(), query_.end());
    out.cookies.assign(cookies_.begin(), cookies_.end());
    out.path_prefix = path_prefix_;
    return {};
  }

 private:
  struct BodyRule {
    std::string name;                 // form
    std::vector<std::string> tokens;  // json
    vault::Secret text;               // the encoded pair, or the JSON string
  };

  void add_place(const Rule& rule) {
    const NameValue plain{rule.name, rule.value.expose()};
    switch (rule.place) {
      case Place::header:
        headers_.push_back(plain);
        return;
      case Place::query:
        query_.push_back(plain);
        return;
      case Place::cookie:
        cookies_.push_back(plain);
        return;
      case Place::path:
        path_prefix_ = rule.value.expose();
        return;
      case Place::form:
      case Place::json:
        bodies_.push_back(body_rule(rule));
        return;
    }
  }

  BodyRule body_rule(const Rule& rule) {
    json_ = rule.place == Place::json;
    BodyRule out;
    std::string text;
    text.reserve(6 * (rule.name.size() + rule.value.size()) + 3);  // the worst case of both encodings
    if (json_) {
      out.tokens = parse_pointer(rule.name).value_or(std::vector<std::string>{});
      append_json_string(rule.value.expose(), text);
    } else {
      out.name = rule.name;
      append_form_encoded(rule.name, text);
      text += '=';
      append_form_encoded(rule.value.expose(), text);
    }
    out.text = vault::Secret::take(text);
    return out;
  }

  void add_masks(const Rule& rule) {
    if (!rule.secret) return;
    const std::string_view value = rule.value.expose();
    add_mask(value);
    const std::size_t space = value.find(' ');
    if (rule.place != Place::header || space == std::string_view::npos || !wire::is_token(value.substr(0, space)))
      return;
    add_mask(value.substr(value.find_first_not_of(' ', space)));
  }

  void add_mask(std::string_view value) {
    const auto known = [&](const vault::Secret& mask) { return mask.equals(value); };
    if (std::none_of(masks_.begin(), masks_.end(), known)) masks_.emplace_back(value);
  }

  std::expected<void, Error> edit_body(const Inputs& in, Changes& out) const {
    auto fits = json_ ? check_json_body(in) : check_form_body(in);
    if (!fits) return fits;
    out.body = json_ && in.body.empty() ? std::string_view("{}") : in.body;
    for (const BodyRule& rule : bodies_) {
      auto edited = json_ ? set_json_value(out.body, rule.tokens, rule.text.expose())
                          : set_form_parameter(out.body, rule.name, rule.text.expose());
      if (!edited) return std::unexpected(std::move(edited.error()));
      vault::wipe(out.body);
      out.body = std::move(*edited);
    }
    out.body_replaced = true;
    if (in.content_type.empty()) out.content_type = json_ ? "application/json" : "application/x-www-form-urlencoded";
    return {};
  }

  std::vector<Rule> rules_;
  std::vector<NameValue> headers_, query_, cookies_;
  std::string_view path_prefix_;
  std::vector<BodyRule> bodies_;
  bool json_ = false;  // what bodies_ edit: JSON, else a form
  std::vector<Spot> spots_;
  std::vector<vault::Secret> masks_;
};

}  // namespace

std::expected<std::unique_ptr<Injection>, std::string> make_field(Recipe recipe) {
  std::vector<Rule> rules = std::move(recipe.rules);
  if (rules.empty()) return std::unexpected("no rule says where the credential goes");
  for (Rule& rule : rules) {
    const std::string_view value = rule.value.expose();
    if (rule.place == Place::path && value.size() > 1 && value.back() == '/')
      rule.value = vault::Secret(value.substr(0, value.size() - 1));
    if (const Problem problem = check(rule)) return std::unexpected(describe_rule(rule) + ": " + *problem);
  }
  for (std::size_t i = 0; i < rules.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (const Problem problem = check_pair(rules[j], rules[i]))
        return std::unexpected(describe_rule(rules[i]) + ": " + *problem);
  return std::make_unique<FieldInjection>(std::move(rules));
}

}  // namespace postern::inject
