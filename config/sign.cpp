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
  header,   // the name of a header that the signer writes
  message,  // a template over the variables of config, the auth's fields and `words`, which the signer fills in
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

constexpr std::string_view kHashes = "sha256 sha1 sha384 sha512 md5", kEncodings = "hex HEX base64 base64url";
constexpr std::string_view kKeyEncodings = "raw base64 base64url hex";
// What a message of this scheme may name besides; header_… is any field of the request.
constexpr std::string_view kNames =
    "method authority path query sorted_query target timestamp nonce body body_hash signature";
constexpr std::string_view kHeaderName = "header_";

constexpr Key kHmac[] = {
    {"message", Form::message, kNames, true},
    {"hash", Form::choice, kHashes},
    {"encoding", Form::choice, kEncodings},         // of the signature
    {"key_encoding", Form::choice, kKeyEncodings},  // how the provider writes the key
    {"header", Form::header},                       // where the signature goes: a header, or a query parameter
    {"query", Form::text},
    {"value", Form::message, kNames},  // what stands there; "${signature}"
    {"timestamp_header", Form::header},
    {"timestamp_query", Form::text},
    {"timestamp_format", Form::choice, "s ms us iso8601 iso8601-ms http-date"},
    {"nonce_header", Form::header},
    {"nonce_query", Form::text},
    {"nonce_format", Form::choice, "hex uuid"},
    {"body_hash", Form::choice, kHashes},
    {"body_hash_encoding", Form::choice, kEncodings},
    {"body_hash_header", Form::header},
    {"body_hash_query", Form::text},
    kSpill,
};

constexpr Key kOAuth1[] = {
    {"method", Form::choice, "HMAC-SHA1 HMAC-SHA256 RSA-SHA1"},
    {"placement", Form::choice, "header query"},
    {"realm", Form::text},
    {"body_hash", Form::choice, "no yes"},  // oauth_body_hash, of bodies that are no form
    kSpill,
};

constexpr Key kWsse[] = {
    {"header", Form::header},                // X-WSSE
    {"nonce", Form::choice, "base64 text"},  // what is hashed is what the base64 holds, or the text itself
    {"digest", Form::choice, "base64 base64-of-hex"},
};

constexpr Key kAzure[] = {
    {"service", Form::choice, "blob queue file table"},
    {"account", Form::text},  // its name; else the connection's keyId
    {"version", Form::text},  // x-ms-version, where the caller sends none
};

constexpr Key kHttpSignature[] = {
    {"algorithm", Form::choice, "hmac-sha256 ed25519 ecdsa-p256-sha256 rsa-pss-sha512 rsa-v1_5-sha256"},
    {"components", Form::list},  // what is covered, in this order
    {"params", Form::list},      // of the signature, in this order: created expires keyid alg nonce tag
    {"expires_in", Form::text},  // seconds
    {"tag", Form::text},
    {"label", Form::text},
    {"digest", Form::choice, "sha-256 sha-512"},  // of Content-Digest
    {"key_encoding", Form::choice, kKeyEncodings},
    kSpill,
};

constexpr Key kDigest[] = {kSpill};  // where the service wants the body in the answer

struct Scheme {
  std::string_view name, type;
  std::span<const Key> keys;
  std::string_view fields = {};   // of the credential, that it cannot do without where the entry has them
  std::string_view granted = {};  // what it signs with; not empty: a grant may bring that
};
// The first one of a type is its default.
constexpr Scheme kSchemes[] = {
    {"aws-sigv4", "AWS_SIGV4", kAws, "accessKeyId secretAccessKey", "accessKeyId secretAccessKey sessionToken"},
    {"hmac", "HMAC", kHmac, "key"},
    {"wsse", "HMAC", kWsse, "username password keyId key"},
    {"azure-shared-key", "HMAC", kAzure, "keyId key"},
    {"http-signature", "HMAC", kHttpSignature, "keyId key"},
    {"oauth1", "OAUTH1", kOAuth1, "consumerKey"},
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

// `type` empty: one of those that sign with what a grant brings.
const Scheme* choose(const Node* named, std::string_view type, Mistakes& mistakes) {
  Names names;
  for (const Scheme& scheme : kSchemes) {
    if (type.empty() ? scheme.granted.empty() : scheme.type != type) continue;
    if (named == nullptr || named->text == scheme.name) return &scheme;
    names.emplace_back(scheme.name);
  }
  mistakes.add(*named,
               unknown("scheme", named->text, names) +
                   fmt::format("; {} {}", type.empty() ? "beside a grant there is" : fmt::format("type {} has", type),
                               fmt::join(names, ", ")));
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

bool holds(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Config expands what is its own; the rest is the signer's, which knows plain names and these two functions.
std::optional<Template> decode_message(const Key& key, const Node& node, const Names& variables, const Fields& fields,
                                       Mistakes& mistakes) {
  auto message = decode_template(node, nullptr, mistakes);
  if (!message) return message;
  Names known = split(key.words);
  known.insert(known.end(), variables.begin(), variables.end());
  for (const auto& [name, spec] : fields) known.push_back(name);
  for (const std::string& name : message->variables()) {
    const auto field = fields.find(name);
    if (!holds(known, name) && !name.starts_with(kHeaderName)) mistakes.add(node, unknown("variable", name, known));
    if (field != fields.end() && !field->second.default_value.empty())
      mistakes.add(node, fmt::format("a message uses '{}', which has a default", name));
  }
  for (const auto& part : message->parts())
    if (!part.function.empty() && part.function != "basic" && part.function != "lower")
      mistakes.add(node, "a message knows the functions basic and lower alone");
  return message;
}

std::optional<Template> decode_value(const Key& key, const Node& node, const Names& variables, const Fields& fields,
                                     Mistakes& mistakes) {
  if (key.form == Form::list) return decode_list(node, variables, mistakes);
  if (key.form == Form::message) return decode_message(key, node, variables, fields, mistakes);
  const Names none;
  auto value = decode_template(node, key.form == Form::text ? &variables : &none, mistakes);
  if (!value) return value;
  if (has_control(value->text())) mistakes.add(node, "holds a control character");
  if (key.form == Form::header)
    if (const auto refused = refuse_header(value->text())) mistakes.add(node, *refused);
  const Names words = split(key.words);
  if (key.form == Form::choice && !holds(words, value->text()))
    mistakes.add(node, fmt::format("'{}' is not one of {}", value->text(), fmt::join(words, ", ")));
  return value;
}

std::string dollars_doubled(std::string_view text) {
  std::string out;
  for (const char c : text) out.append(c == '$' ? 2 : 1, c);
  return out;
}

std::string expand_argument(const std::string& argument, const std::map<std::string, std::string>& variables) {
  if (argument.starts_with('"')) return argument + '"';
  const auto at = variables.find(argument);
  return at == variables.end() ? argument : '"' + at->second + '"';
}

std::string expand_message(const Template& message, const std::map<std::string, std::string>& variables) {
  std::string out;
  for (const auto& part : message.parts()) {
    if (part.arguments.empty()) {
      out += dollars_doubled(part.literal);
      continue;
    }
    const auto at = part.function.empty() ? variables.find(part.arguments.front()) : variables.end();
    if (at != variables.end()) {
      out += dollars_doubled(at->second);
      continue;
    }
    std::string list;
    for (const std::string& argument : part.arguments)
      list += (list.empty() ? "" : ", ") + expand_argument(argument, variables);
    out += "${" + (part.function.empty() ? list : part.function + "(" + list + ")") + "}";
  }
  return out;
}

const Scheme* find_scheme(std::string_view name) {
  const auto at =
      std::find_if(std::begin(kSchemes), std::end(kSchemes), [&](const Scheme& s) { return s.name == name; });
  return at == std::end(kSchemes) ? nullptr : at;
}

const Scheme* decode_scheme(MapReader& in, std::string_view type, Mistakes& mistakes) {
  const std::size_t before = mistakes.size();
  const Node* named = in.get("scheme");
  if (named) scalar(*named, mistakes);
  return mistakes.size() == before ? choose(named, type, mistakes) : nullptr;
}

Sign decode_options(MapReader& in, const Scheme& scheme, const Node& at, const Names& variables, const Fields& fields,
                    Mistakes& mistakes) {
  Sign out;
  out.scheme = scheme.name;
  for (const Key& key : scheme.keys) {
    const Node* value = in.get(key.name);
    if (!value && key.required) mistakes.add(at, fmt::format("the scheme {} needs sign.{}", scheme.name, key.name));
    if (!value) continue;
    if (auto decoded = decode_value(key, *value, variables, fields, mistakes))
      out.options.emplace(key.name, std::move(*decoded));
  }
  return out;
}

void decode_with(const Node* with, const Node& sign, const Scheme& scheme, const Names& values,
                 std::map<std::string, std::string>& out, Mistakes& mistakes) {
  static const Node kNothing;
  MapReader in(with ? *with : kNothing, "with", mistakes);
  const Names needed = split(scheme.fields);
  for (const std::string& name : split(scheme.granted)) {
    const Node* chosen = in.get(name);
    const std::string value = chosen ? scalar(*chosen, mistakes) : name;
    if (holds(values, value))
      out.emplace(name, value);
    else if (chosen)
      mistakes.add(*chosen, unknown("value", value, values));
    else if (holds(needed, name))
      mistakes.add(with ? *with : sign,
                   fmt::format("the scheme {} needs '{}'; with: {{{}: …}} names the value that stands for it",
                               scheme.name, name, name));
  }
  in.finish();
}

}  // namespace

std::optional<Sign> decode_sign(const Node* node, const Node& entry, std::string_view type, const Names& variables,
                                const Fields& fields, Mistakes& mistakes) {
  if (!is_signed_type(type)) {
    if (node) mistakes.add(*node, fmt::format("type {} does not sign requests", type));
    return std::nullopt;
  }
  static const Node kNothing;
  MapReader in(node ? *node : kNothing, "sign", mistakes);
  const Scheme* scheme = decode_scheme(in, type, mistakes);
  if (scheme == nullptr) return std::nullopt;
  Sign out = decode_options(in, *scheme, node ? *node : entry, variables, fields, mistakes);
  in.finish();
  if (out.scheme == "hmac" && out.options.contains("header") == out.options.contains("query"))
    mistakes.add(node ? *node : entry, "sign.header or sign.query, one of them, says where the signature goes");
  return out;
}

std::optional<Sign> decode_granted_sign(const Node& node, const Names& variables, const Names& values,
                                        Mistakes& mistakes) {
  MapReader in(node, "sign", mistakes);
  const Scheme* scheme = decode_scheme(in, {}, mistakes);
  if (scheme == nullptr) return std::nullopt;
  Sign out = decode_options(in, *scheme, node, variables, {}, mistakes);
  const Node* with = in.get("with");
  in.finish();
  decode_with(with, node, *scheme, values, out.with, mistakes);
  return out;
}

Names sign_fields(const Sign& sign, const Fields& fields) {
  const Scheme* scheme = find_scheme(sign.scheme);
  Names named = split(scheme->fields);
  if (scheme->name == "oauth1") {
    const auto method = sign.options.find("method");
    const bool rsa = method != sign.options.end() && method->second.text() == "RSA-SHA1";
    named.emplace_back(rsa ? "privateKey" : "consumerSecret");
  }
  if (sign.options.contains("account")) std::erase(named, "keyId");
  for (const auto& [key, text] : sign.options)
    if (key == "message" || key == "value") named.insert(named.end(), text.variables().begin(), text.variables().end());
  std::erase_if(named, [&](const std::string& name) { return !fields.contains(name); });
  return named;
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
