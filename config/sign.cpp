#include "config/sign.hpp"

#include <algorithm>
#include <span>

#include <fmt/format.h>

namespace postern::config {
namespace {

enum class Form : std::uint8_t {
  text,     // a template over the variables of config
  choice,   // one of `words`
  list,     // several texts, or one; joined by spaces
  message,  // a template over the variables of config and over `words`, which the signer fills in
};

struct Key {
  std::string_view name;
  Form form;
  std::string_view words = {};  // separated by spaces
  bool required = false;
};

// Of every scheme that reads the body: whether one that does not fit into memory is kept in an encrypted file.
constexpr Key kSpill{"spill", Form::choice, "yes no"};

constexpr Key kAws[] = {
    {"service", Form::text},                       // where the caller's own signature does not say
    {"region", Form::text},                        // likewise
    {"payload", Form::choice, "signed unsigned"},  // of bodies, where the caller does not say
    {"path", Form::choice, "aws s3"},              // how a path is made canonical; default: by the service
    kSpill,
};

constexpr Key kDigest[] = {kSpill};  // where the service wants the body in the answer

struct Scheme {
  std::string_view name, type;
  std::span<const Key> keys;
};
// The first one of a type is its default.
constexpr Scheme kSchemes[] = {
    {"aws-sigv4", "AWS_SIGV4", kAws},
    {"certificate", "CERTIFICATE", {}},
    {"digest", "DIGEST", kDigest},
};

Names split(std::string_view words) {
  Names out;
  while (!words.empty()) {
    const std::size_t end = std::min(words.find(' '), words.size());
    out.emplace_back(words.substr(0, end));
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return out;
}

const Scheme* choose(const Node* named, std::string_view type, Mistakes& mistakes) {
  Names names;
  for (const Scheme& scheme : kSchemes) {
    if (scheme.type != type) continue;
    if (named == nullptr || named->text == scheme.name) return &scheme;
    names.emplace_back(scheme.name);
  }
  mistakes.add(*named,
               unknown("scheme", named->text, names) + fmt::format("; type {} has {}", type, fmt::join(names, ", ")));
  return nullptr;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

std::optional<Template> decode_list(const Node& node, const Names& variables, Mistakes& mistakes) {
  Node joined = node;
  joined.kind = Node::Kind::scalar;
  joined.text.clear();
  for (const std::string& text : decode_names(node, mistakes)) {
    if (text.find(' ') != text.npos) mistakes.add(node, fmt::format("'{}' holds a space", text));
    joined.text += (joined.text.empty() ? "" : " ") + text;
  }
  return decode_template(joined, &variables, mistakes);
}

std::optional<Template> decode_value(const Key& key, const Node& node, const Names& variables, Mistakes& mistakes) {
  if (key.form == Form::list) return decode_list(node, variables, mistakes);
  Names known = variables;
  if (key.form == Form::message) {
    const Names own = split(key.words);
    known.insert(known.end(), own.begin(), own.end());
  }
  if (key.form == Form::choice) {
    const std::string text = scalar(node, mistakes);
    const Names words = split(key.words);
    if (std::find(words.begin(), words.end(), text) == words.end())
      mistakes.add(node, fmt::format("'{}' is not one of {}", text, fmt::join(words, ", ")));
    known.clear();
  }
  auto value = decode_template(node, &known, mistakes);
  if (!value) return value;
  if (key.form == Form::message) {
    for (const auto& part : value->parts())
      if (!part.function.empty()) mistakes.add(node, "a message holds plain variables, no functions");
  } else if (has_control(value->text())) {
    mistakes.add(node, "holds a control character");
  }
  return value;
}

std::string dollars_doubled(std::string_view text) {
  std::string out;
  for (const char c : text) out.append(c == '$' ? 2 : 1, c);
  return out;
}

std::string expand_message(const Template& message, const std::map<std::string, std::string>& variables) {
  std::string out;
  for (const auto& part : message.parts()) {
    const bool literal = part.arguments.empty();
    const auto at = literal ? variables.end() : variables.find(part.arguments.front());
    if (literal)
      out += dollars_doubled(part.literal);
    else
      out += at == variables.end() ? "${" + part.arguments.front() + "}" : dollars_doubled(at->second);
  }
  return out;
}

const Scheme* find_scheme(std::string_view name) {
  const auto at =
      std::find_if(std::begin(kSchemes), std::end(kSchemes), [&](const Scheme& s) { return s.name == name; });
  return at == std::end(kSchemes) ? nullptr : at;
}

}  // namespace

std::optional<Sign> decode_sign(const Node* node, const Node& entry, std::string_view type, const Names& variables,
                                Mistakes& mistakes) {
  if (!is_signed_type(type)) {
    if (node) mistakes.add(*node, fmt::format("type {} does not sign requests", type));
    return std::nullopt;
  }
  static const Node kNothing;
  const std::size_t before = mistakes.size();
  MapReader in(node ? *node : kNothing, "sign", mistakes);
  const Node* named = in.get("scheme");
  if (named) scalar(*named, mistakes);
  if (mistakes.size() != before) return std::nullopt;
  const Scheme* scheme = choose(named, type, mistakes);
  if (scheme == nullptr) return std::nullopt;
  Sign out;
  out.scheme = scheme->name;
  for (const Key& key : scheme->keys) {
    const Node* value = in.get(key.name);
    if (!value && key.required)
      mistakes.add(node ? *node : entry, fmt::format("the scheme {} needs sign.{}", scheme->name, key.name));
    if (!value) continue;
    if (auto decoded = decode_value(key, *value, variables, mistakes))
      out.options.emplace(key.name, std::move(*decoded));
  }
  in.finish();
  return out;
}

Names sign_schemes() {
  Names out;
  for (const Scheme& scheme : kSchemes) out.emplace_back(scheme.name);
  return out;
}

std::map<std::string, std::string> expand_sign(const Sign& sign, const std::map<std::string, std::string>& variables) {
  std::map<std::string, std::string> out;
  const Scheme* scheme = find_scheme(sign.scheme);
  for (const auto& [name, text] : sign.options) {
    const auto key =
        std::find_if(scheme->keys.begin(), scheme->keys.end(), [&](const Key& k) { return k.name == name; });
    std::string value = key->form == Form::message
                            ? expand_message(text, variables)
                            : text.expand([&](std::string_view variable) -> std::optional<std::string_view> {
                                    const auto at = variables.find(std::string(variable));
                                    return at == variables.end() ? std::string_view() : std::string_view(at->second);
                                  })
                                  .value_or("");
    if (!value.empty()) out.emplace(name, std::move(value));
  }
  return out;
}

}  // namespace postern::config
