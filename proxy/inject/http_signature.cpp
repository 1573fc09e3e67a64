#include "proxy/inject/http_signature.hpp"

#include <algorithm>
#include <charconv>

#include "proxy/inject/encoding.hpp"
#include "proxy/inject/options.hpp"
#include "proxy/inject/parameters.hpp"
#include "proxy/inject/private_key.hpp"

namespace postern::inject {
namespace {

constexpr std::string_view kAlgorithms[] = {"rsa-v1_5-sha256", "rsa-pss-sha512", "ecdsa-p256-sha256", "ed25519",
                                            "hmac-sha256"};
constexpr KeyAlgorithm kKeys[] = {KeyAlgorithm::rsa_sha256, KeyAlgorithm::rsa_pss_sha512, KeyAlgorithm::ecdsa_p256,
                                  KeyAlgorithm::ed25519};
constexpr std::size_t kHmac = std::size(kKeys);
constexpr std::string_view kDerived[] = {"@method", "@target-uri",     "@authority", "@scheme",
                                         "@path",   "@request-target", "@query"};
constexpr std::string_view kParams[] = {"created", "expires", "keyid", "alg", "nonce", "tag"};
constexpr std::string_view kDigests[] = {"sha-256", "sha-512"};
constexpr std::string_view kDigestField = "content-digest", kQueryParam = "@query-param;name=\"";

struct Component {
  std::string name;       // "@path", "content-type"; of a query parameter "@query-param"
  std::string parameter;  // its name, encoded as in the query (RFC 9421 section 2.2.8)
  bool optional = false;

  std::string identifier() const {  // with its quotes
    return "\"" + name + "\"" + (parameter.empty() ? "" : ";name=\"" + parameter + "\"");
  }
};

struct Plan {
  std::vector<Component> components;
  std::vector<std::string> params;
  std::string key_id, tag, label;
  std::size_t algorithm = 0;
  bool sha512 = false;  // of the digest
  std::int64_t expires_in = 300;
  vault::Secret hmac;
  std::optional<PrivateKey> key;
  std::string placeholder;

  bool digests() const {
    return std::any_of(components.begin(), components.end(), [](const auto& c) { return c.name == kDigestField; });
  }
};

std::unexpected<Error> missing(std::string what) {
  return std::unexpected(Error{"", "The signature covers " + std::move(what) + ": send it once."});
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

// RFC 9421 section 2.1: all lines of a field, trimmed, separated by ", ". nullopt: there is none.
std::optional<std::string> field_value(std::span<const NameValue> fields, std::string_view name) {
  std::optional<std::string> out;
  for (const NameValue& field : fields) {
    if (!wire::iequals(field.name, name)) continue;
    out = out ? *out + ", " : std::string();
    out->append(field.value);
  }
  return out;
}

class HttpSignature final : public Injection {
 public:
  explicit HttpSignature(Plan plan) : plan_(std::move(plan)) {
    for (const std::string_view name : {"Signature-Input", "Signature"})
      spots_.push_back({Place::header, std::string(name)});
    if (plan_.digests()) spots_.push_back({Place::header, "Content-Digest"});
  }

  std::uint8_t needs() const override {
    return needs_head | needs_target | needs_time | (plan_.digests() ? needs_body_hash : 0);
  }
  const std::vector<Spot>& spots() const override { return spots_; }
  const std::vector<vault::Secret>& masks() const override { return masks_; }
  std::string describe() const override {
    return "HTTP message signature " + std::string(kAlgorithms[plan_.algorithm]) + " in header Signature";
  }

  std::expected<void, Error> apply(const Inputs& in, Changes& out) const override {
    out.clear();
    auto done = add_signature(in, out);
    if (!done) out.clear();
    return done;
  }

 private:
  std::expected<void, Error> add_signature(const Inputs& in, Changes& out) const {
    if (plan_.digests()) {
      const auto hash = digest_of(plan_.sha512 ? Algorithm::sha512 : Algorithm::sha256, in.content);
      if (!hash) return std::unexpected(Error{"/body", "The body could not be read to its end; send it again."});
      std::string text(kDigests[plan_.sha512 ? 1 : 0]);
      text += "=:" + encode(Encoding::base64, *hash) + ":";
      out.headers.push_back({"Content-Digest", out.keep(std::move(text))});
    }
    std::string base, covered;
    for (const Component& component : plan_.components) {
      auto value = value_of(component, in, out);
      if (!value) return std::unexpected(std::move(value.error()));
      if (!*value) continue;
      if (!is_ascii(**value))
        return std::unexpected(Error{"", component.identifier() + " is signed and holds more than ASCII."});
      base += component.identifier() + ": " + **value + "\n";
      covered += (covered.empty() ? "" : " ") + component.identifier();
    }
    const std::string params = "(" + covered + ")" + params_of(in);
    base += "\"@signature-params\": " + params;
    const std::string signature = sign(base);
    if (signature.empty()) return std::unexpected(Error{"", "OpenSSL did not sign with this connection's key."});
    out.headers.push_back({"Signature-Input", out.keep(plan_.label + "=" + params)});
    out.headers.push_back({"Signature", out.keep(plan_.label + "=:" + signature + ":")});
    out.proofs.push_back(out.keep(signature));
    return {};
  }

  // nullopt: an optional field that the request has not.
  std::expected<std::optional<std::string>, Error> value_of(const Component& component, const Inputs& in,
                                                            const Changes& out) const {
    if (component.name == "@query-param") return query_parameter(component, in);
    if (component.name.starts_with('@')) return derived(component.name, in);
    if (component.name == kDigestField) return std::string(out.headers.front().value);
    if (component.name == "host") return std::string(in.authority);
    auto value = field_value(in.fields, component.name);
    if (!value && !component.optional) return missing("the field " + component.name);
    return value;
  }

  static std::expected<std::optional<std::string>, Error> query_parameter(const Component& component,
                                                                          const Inputs& in) {
    std::optional<std::string> found;
    for (const auto& [name, value] : read_parameters(in.query)) {
      if (percent_encoded(name) != component.parameter) continue;
      if (found) return missing("the query parameter " + component.parameter);
      found = percent_encoded(value);
    }
    if (!found) return missing("the query parameter " + component.parameter);
    return found;
  }

  // RFC 9421 section 2.2. We always call https, so the default port is 443.
  static std::string derived(std::string_view name, const Inputs& in) {
    const std::string path(in.path.empty() ? "/" : in.path);
    const std::string query = in.query.empty() ? std::string() : "?" + std::string(in.query);
    std::string authority = lower_case(in.authority);
    if (authority.ends_with(":443")) authority.resize(authority.size() - 4);
    if (name == "@method") return std::string(in.method);
    if (name == "@authority") return authority;
    if (name == "@scheme") return "https";
    if (name == "@path") return path;
    if (name == "@query") return query.empty() ? "?" : query;
    if (name == "@request-target") return path + query;
    return "https://" + authority + path + query;  // @target-uri
  }

  std::string params_of(const Inputs& in) const {
    const std::int64_t created = in.now_ms / 1000;
    std::string out;
    for (const std::string& name : plan_.params) {
      out += ";" + name + "=";
      if (name == "created" || name == "expires")
        out += std::to_string(name == "created" ? created : created + plan_.expires_in);
      else
        out += "\"" +
               std::string(name == "keyid" ? plan_.key_id
                           : name == "alg" ? kAlgorithms[plan_.algorithm]
                           : name == "tag" ? plan_.tag
                                           : in.nonce) +
               "\"";
    }
    return out;
  }

  std::string sign(std::string_view base) const {
    if (!plan_.placeholder.empty()) return plan_.placeholder;
    return encode(Encoding::base64,
                  plan_.key ? plan_.key->sign(base) : hmac(Algorithm::sha256, plan_.hmac.expose(), base));
  }

  const Plan plan_;
  std::vector<Spot> spots_;
  std::vector<vault::Secret> masks_;  // none: a signature is in Changes::proofs
};

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end != 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

template <std::size_t Size>
bool is_one_of(const std::string_view (&words)[Size], std::string_view word) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

std::optional<Component> read_component(std::string_view word) {
  Component out;
  if (word.starts_with(kQueryParam) && word.ends_with('"') && word.size() > kQueryParam.size() + 1) {
    out.name = "@query-param";
    out.parameter = word.substr(kQueryParam.size(), word.size() - kQueryParam.size() - 1);
    const bool plain = is_ascii(out.parameter) && out.parameter.find_first_of("\"\\") == std::string::npos;
    return plain ? std::optional(out) : std::nullopt;
  }
  if (word.ends_with('?')) {
    out.optional = true;
    word.remove_suffix(1);
  }
  out.name = word;
  if (word.starts_with('@')) return is_one_of(kDerived, word) && !out.optional ? std::optional(out) : std::nullopt;
  return wire::is_token(word) && lower_case(word) == word ? std::optional(out) : std::nullopt;
}

// RFC 8941 section 3.3.3: what may stand between quotes without being escaped.
std::string read_quoted(Options& options, std::string_view name, std::string_view text) {
  if (!is_ascii(text) || text.find_first_of("\"\\") != text.npos)
    options.refuse(std::string(name) + " holds a quote, a backslash, or more than ASCII");
  return std::string(text);
}

void read_covered(Options& options, Plan& plan) {
  for (const std::string& word : words_of(options.text("components", "@method @authority @path @query"))) {
    if (auto component = read_component(word))
      plan.components.push_back(std::move(*component));
    else
      options.refuse("sign.components: '" + word + "' is no component of a request");
  }
  plan.params = words_of(options.text("params", "created keyid"));
  for (const std::string& word : plan.params) {
    if (!is_one_of(kParams, word)) options.refuse("sign.params: '" + word + "' is no parameter of a signature");
    if (word == "keyid") plan.key_id = read_quoted(options, "keyId", options.needed("keyId"));
    if (word == "tag") plan.tag = read_quoted(options, "sign.tag", options.text("tag"));
  }
}

void read_key(Options& options, Plan& plan) {
  const auto encoding = options.choice<KeyEncoding>("key_encoding", key_encoding_names());
  if (!plan.placeholder.empty()) return;
  if (plan.algorithm == kHmac) {
    auto key = decode_key(encoding, options.needed("key"));
    if (key)
      plan.hmac = std::move(*key);
    else
      options.refuse("the key is empty or not what sign.key_encoding says");
    return;
  }
  auto key = PrivateKey::read(kKeys[plan.algorithm], options.needed("key"));
  if (key)
    plan.key = std::move(*key);
  else
    options.refuse(std::move(key.error()));
}

}  // namespace

std::expected<std::unique_ptr<Injection>, std::string> make_http_signature(Recipe recipe) {
  Options options(recipe);
  Plan plan;
  plan.placeholder = recipe.placeholder;
  plan.algorithm = options.choice("algorithm", kAlgorithms, kHmac);
  plan.sha512 = options.choice<std::size_t>("digest", kDigests) == 1;
  plan.label = options.text("label", "sig1");
  // A key of a dictionary (RFC 8941 section 3.1.2).
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; };
  if (!std::all_of(plan.label.begin(), plan.label.end(), fits) || plan.label.front() < 'a')
    options.refuse("sign.label is no name of lower-case letters, digits, '_' and '-'");
  const std::string seconds = options.text("expires_in", "300");
  const auto [end, failed] = std::from_chars(seconds.data(), seconds.data() + seconds.size(), plan.expires_in);
  if (failed != std::errc() || end != seconds.data() + seconds.size() || plan.expires_in <= 0)
    options.refuse("sign.expires_in is no number of seconds");
  read_covered(options, plan);
  read_key(options, plan);
  if (options.mistake()) return std::unexpected(*options.mistake());
  return std::make_unique<HttpSignature>(std::move(plan));
}

}  // namespace postern::inject
