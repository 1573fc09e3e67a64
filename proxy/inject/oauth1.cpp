#include "proxy/inject/oauth1.hpp"

#include <algorithm>

#include "proxy/inject/body.hpp"
#include "proxy/inject/encoding.hpp"
#include "proxy/inject/options.hpp"
#include "proxy/inject/private_key.hpp"

namespace postern::inject {
namespace {

enum class Method : std::uint8_t { hmac_sha1, hmac_sha256, rsa_sha1 };
constexpr std::string_view kMethods[] = {"HMAC-SHA1", "HMAC-SHA256", "RSA-SHA1"};
enum class Placement : std::uint8_t { header, query };
constexpr std::string_view kPlacements[] = {"header", "query"};

// What we write, in the order in which we write it; the caller's own are removed. oauth_callback and oauth_verifier are
// parameters like any other.
constexpr std::string_view kOurs[] = {"oauth_consumer_key", "oauth_token",    "oauth_signature_method",
                                      "oauth_timestamp",    "oauth_nonce",    "oauth_version",
                                      "oauth_body_hash",    "oauth_signature"};

bool is_ours(std::string_view name) {
  return std::find(std::begin(kOurs), std::end(kOurs), name) != std::end(kOurs);
}

struct Keys {
  std::string consumer, token;  // not secret by themselves
  vault::Secret hmac;           // RFC 5849 section 3.4.2: both secrets, encoded
  std::optional<PrivateKey> rsa;
};

std::unexpected<Error> of_body(std::string message) {
  return std::unexpected(Error{"/body", std::move(message)});
}

// RFC 5849 section 3.4.1.2: we always call https, so its default port is the one that goes.
std::string base_uri(const Inputs& in) {
  std::string_view authority = in.authority;
  if (authority.ends_with(":443")) authority.remove_suffix(4);
  std::string out = "https://" + lower_case(authority);
  return out.append(in.path.empty() ? "/" : in.path);
}

class OAuth1Injection final : public Injection {
 public:
  OAuth1Injection(Method method, Placement placement, bool body_hash, std::string realm, Keys keys,
                  std::string placeholder)
      : method_(method),
        placement_(placement),
        body_hash_(body_hash),
        realm_(std::move(realm)),
        keys_(std::move(keys)),
        placeholder_(std::move(placeholder)) {
    if (placement_ == Placement::header) spots_.push_back({Place::header, "Authorization"});
    for (const std::string_view name : kOurs) spots_.push_back({Place::query, std::string(name)});
  }

  std::uint8_t needs() const override { return needs_head | needs_target | needs_time | needs_body_hash; }
  // Only forms are signed (section 3.4.1.3.1); others go by, unless their hash is asked for.
  std::uint8_t needs_of(const Inputs& head) const override {
    const bool reads = body_hash_ || is_form(head.content_type);
    return reads ? needs() : needs_head | needs_target | needs_time;
  }
  const std::vector<Spot>& spots() const override { return spots_; }
  const std::vector<vault::Secret>& masks() const override { return masks_; }
  std::string describe() const override {
    return "OAuth 1.0a " + std::string(kMethods[static_cast<std::size_t>(method_)]) + " in " +
           (placement_ == Placement::header ? "header Authorization" : "the query");
  }

  std::expected<void, Error> apply(const Inputs& in, Changes& out) const override {
    out.clear();
    Parameters all = read_parameters(in.query);
    if (auto read = add_form(in, all); !read) return read;
    auto ours = our_parameters(in);
    if (!ours) return std::unexpected(std::move(ours.error()));
    all.insert(all.end(), ours->begin(), ours->end());
    std::string signature = sign(oauth1_base_string(in.method, base_uri(in), all));
    if (signature.empty()) return std::unexpected(Error{"", "OpenSSL did not sign with this connection's key."});
    out.proofs.push_back(out.keep(signature));
    ours->emplace_back("oauth_signature", std::move(signature));
    placement_ == Placement::header ? write_header(*ours, out) : write_query(std::move(*ours), out);
    return {};
  }

 private:
  std::expected<void, Error> add_form(const Inputs& in, Parameters& all) const {
    if (!is_form(in.content_type) || in.content == nullptr) return {};
    if (!in.content_encoding.empty())
      return of_body("A form that is signed must not be coded; leave Content-Encoding out.");
    if (in.content->size() > kMaxBody) return of_body("A form that is signed must be smaller than 64 MiB.");
    std::string form;
    form.reserve(in.content->size());
    if (!in.content->each([&](std::string_view piece) { form.append(piece); })) return unreadable();
    for (auto& parameter : read_parameters(form)) {
      if (is_ours(parameter.first)) return of_body("Leave the oauth_ parameters out of the form; they are added.");
      all.push_back(std::move(parameter));
    }
    return {};
  }

  static std::unexpected<Error> unreadable() {
    return of_body("The body could not be read to its end; send it again.");
  }

  std::expected<Parameters, Error> our_parameters(const Inputs& in) const {
    Parameters out{{"oauth_consumer_key", keys_.consumer},
                   {"oauth_signature_method", std::string(kMethods[static_cast<std::size_t>(method_)])},
                   {"oauth_timestamp", std::to_string(in.now_ms / 1000)},
                   {"oauth_nonce", std::string(in.nonce)},
                   {"oauth_version", "1.0"}};
    if (!keys_.token.empty()) out.insert(out.begin() + 1, {"oauth_token", keys_.token});
    if (!body_hash_ || is_form(in.content_type)) return out;
    // A body without a length is empty to this hash, too: the parameter says that there is none.
    const auto hash = digest_of(method_ == Method::hmac_sha256 ? Algorithm::sha256 : Algorithm::sha1, in.content);
    if (!hash) return unreadable();
    out.emplace_back("oauth_body_hash", encode(Encoding::base64, *hash));
    return out;
  }

  std::string sign(std::string_view base) const {
    if (!placeholder_.empty()) return placeholder_;
    const std::string signature =
        method_ == Method::rsa_sha1
            ? keys_.rsa->sign(base)
            : hmac(method_ == Method::hmac_sha1 ? Algorithm::sha1 : Algorithm::sha256, keys_.hmac.expose(), base);
    return encode(Encoding::base64, signature);
  }

  // Section 3.5.1.
  void write_header(const Parameters& ours, Changes& out) const {
    std::string value = "OAuth ";
    if (!realm_.empty()) value += "realm=\"" + realm_ + "\", ";
    for (const auto& [name, text] : ours)
      value += (name == kOurs[0] ? "" : ", ") + name + "=\"" + percent_encoded(text) + "\"";
    out.headers.push_back({"Authorization", out.keep(std::move(value))});
  }

  // Section 3.5.3.
  static void write_query(Parameters ours, Changes& out) {
    for (auto& [name, text] : ours) {
      const std::string_view kept = out.keep(std::move(name));
      out.query.push_back({kept, out.keep(std::move(text))});
    }
  }

  const Method method_;
  const Placement placement_;
  const bool body_hash_;
  const std::string realm_;
  const Keys keys_;
  const std::string placeholder_;
  std::vector<Spot> spots_;
  std::vector<vault::Secret> masks_;  // none: a signature is in Changes::proofs
};

vault::Secret hmac_key(std::string_view consumer, std::string_view token) {
  std::string key;
  key.reserve(3 * (consumer.size() + token.size()) + 1);
  key.append(percent_encoded(consumer)).append("&").append(percent_encoded(token));
  return vault::Secret::take(key);
}

Keys read_keys(Options& options, Method method, bool real) {
  Keys out{std::string(options.needed("consumerKey")), std::string(options.value("token")), {}, {}};
  if (!real) return out;
  if (method != Method::rsa_sha1) {
    out.hmac = hmac_key(options.needed("consumerSecret"), options.value("tokenSecret"));
    return out;
  }
  auto key = PrivateKey::read(KeyAlgorithm::rsa_sha1, options.needed("privateKey"));
  if (key)
    out.rsa = std::move(*key);
  else
    options.refuse(std::move(key.error()));
  return out;
}

}  // namespace

std::string oauth1_base_string(std::string_view method, std::string_view uri, const Parameters& parameters) {
  std::string out(method);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'a' && c <= 'z' ? char(c - 32) : c; });
  out.append("&").append(percent_encoded(uri)).append("&");
  return out.append(percent_encoded(sorted_parameters(parameters)));
}

std::expected<std::unique_ptr<Injection>, std::string> make_oauth1(Recipe recipe) {
  Options options(recipe);
  const auto method = options.choice<Method>("method", kMethods);
  const auto placement = options.choice<Placement>("placement", kPlacements);
  const bool body_hash = options.flag("body_hash");
  std::string realm = options.text("realm");
  if (!wire::is_field_value(realm) || realm.find_first_of("\"\\") != realm.npos)
    options.refuse("sign.realm holds a quote, a backslash or a control character");
  Keys keys = read_keys(options, method, recipe.placeholder.empty());
  if (options.mistake()) return std::unexpected(*options.mistake());
  return std::make_unique<OAuth1Injection>(method, placement, body_hash, std::move(realm), std::move(keys),
                                           std::move(recipe.placeholder));
}

}  // namespace postern::inject
