#include "proxy/inject/http_digest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>
#include <vector>

#include "proxy/inject/digest.hpp"
#include "proxy/wire/field.hpp"

namespace postern::inject {
namespace {

// --- reading challenges (RFC 9110 section 11.6.1) ---

constexpr bool is_space(char c) noexcept {
  return c == ' ' || c == '\t';
}

struct Parameter {
  std::string_view name;
  std::string value;  // unquoted
};

// What WWW-Authenticate and Authentication-Info are made of. What cannot be read is passed over up to the next comma.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}
  bool at_end() {
    skip_separators();
    return at_ == text_.size();
  }
  std::string_view token() {
    const std::size_t from = at_;
    while (at_ < text_.size() && wire::is_token(text_.substr(at_, 1))) ++at_;
    return text_.substr(from, at_ - from);
  }
  // The parameters up to the next scheme.
  std::vector<Parameter> parameters() {
    std::vector<Parameter> out;
    while (!at_end()) {
      const std::size_t from = at_;
      const std::string_view name = token();
      skip_spaces();
      if (name.empty()) {
        skip_to_comma();
      } else if (!take('=')) {
        at_ = from;
        return out;
      } else {
        skip_spaces();
        if (auto found = value())
          out.push_back({name, std::move(*found)});
        else
          skip_to_comma();
      }
    }
    return out;
  }
  void skip_to_comma() {
    bool quoted = false;
    for (; at_ < text_.size() && (quoted || text_[at_] != ','); ++at_) quoted = quoted != (text_[at_] == '"');
  }

 private:
  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void skip_spaces() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  void skip_separators() {
    while (at_ < text_.size() && (is_space(text_[at_]) || text_[at_] == ',')) ++at_;
  }
  std::optional<std::string> value() {
    if (!take('"')) {
      const std::string_view plain = token();
      if (plain.empty()) return std::nullopt;  // token68: not what Digest has
      return std::string(plain);
    }
    std::string out;
    while (at_ < text_.size()) {
      if (take('"')) return out;
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      out += text_[at_++];
    }
    return std::nullopt;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

struct Scheme {
  std::string_view name;  // without "-sess"
  Algorithm algorithm;
  int strength;
};
constexpr std::array kSchemes{Scheme{"MD5", Algorithm::md5, 1}, Scheme{"SHA-256", Algorithm::sha256, 2},
                              Scheme{"SHA-512-256", Algorithm::sha512_256, 3}};

bool is_session(std::string_view algorithm) {
  constexpr std::string_view kSession = "-sess";
  return algorithm.size() > kSession.size() &&
         wire::iequals(algorithm.substr(algorithm.size() - kSession.size()), kSession);
}

const Scheme* scheme_of(std::string_view name) {
  if (name.empty()) return kSchemes.data();
  if (is_session(name)) name.remove_suffix(5);
  const auto at = std::find_if(kSchemes.begin(), kSchemes.end(),
                               [&](const Scheme& scheme) { return wire::iequals(scheme.name, name); });
  return at == kSchemes.end() ? nullptr : &*at;
}

// One value of each name: a second one would let two readers see two challenges.
std::optional<std::string> only(const std::vector<Parameter>& all, std::string_view name, bool& doubled) {
  std::optional<std::string> out;
  for (const Parameter& one : all) {
    if (!wire::iequals(one.name, name)) continue;
    doubled = doubled || out.has_value();
    out = one.value;
  }
  return out;
}

void read_qop(std::string_view offered, DigestChallenge& out) {
  while (!offered.empty()) {
    const std::size_t end = std::min(offered.find_first_of(", \t"), offered.size());
    out.auth = out.auth || wire::iequals(offered.substr(0, end), "auth");
    out.auth_int = out.auth_int || wire::iequals(offered.substr(0, end), "auth-int");
    offered.remove_prefix(std::min(end + 1, offered.size()));
  }
}

std::optional<DigestChallenge> read_challenge(const std::vector<Parameter>& all) {
  bool doubled = false;
  const auto realm = only(all, "realm", doubled), nonce = only(all, "nonce", doubled), qop = only(all, "qop", doubled);
  DigestChallenge out;
  out.opaque = only(all, "opaque", doubled);
  out.algorithm = only(all, "algorithm", doubled).value_or("");
  out.domain = only(all, "domain", doubled).value_or("");
  out.stale = wire::iequals(only(all, "stale", doubled).value_or(""), "true");
  out.userhash = wire::iequals(only(all, "userhash", doubled).value_or(""), "true");
  out.utf8 = wire::iequals(only(all, "charset", doubled).value_or(""), "UTF-8");
  const Scheme* const scheme = scheme_of(out.algorithm);
  if (doubled || !realm || !nonce || scheme == nullptr || !available(scheme->algorithm)) return std::nullopt;
  out.realm = *realm;
  out.nonce = *nonce;
  if (qop) read_qop(*qop, out);
  const bool old = !out.auth && !out.auth_int;
  // A quality that is not known cannot be left out, and without one there is no cnonce for a session key.
  if (old && (qop || is_session(out.algorithm))) return std::nullopt;
  return out;
}

// --- answering ---

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out += '"';
}

// RFC 8187: what no quoted string can carry for sure.
std::string extended(std::string_view text) {
  std::string out = "UTF-8''";
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       (c != '\0' && std::string_view("!#$&+-.^_`|~").find(c) != std::string_view::npos);
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

bool is_ascii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

// Over pieces, so that no text with the password in it is ever put together. Lower-case hex.
std::string hash(Algorithm algorithm, std::initializer_list<std::string_view> pieces) {
  Hash whole(algorithm);
  std::string_view between;
  for (const std::string_view piece : pieces) {
    whole.add(std::exchange(between, ":"));
    whole.add(piece);
  }
  return hex(whole.finish());
}

class DigestInjection final : public Injection {
 public:
  DigestInjection(vault::Secret username, vault::Secret password)
      : username_(std::move(username)), password_(std::move(password)) {}

  std::uint8_t needs() const override { return needs_head | needs_target | needs_challenge | needs_body_hash; }
  std::uint8_t needs_of(const Inputs& head) const override {
    const auto challenge = strongest_digest(head.challenge);
    return challenge && challenge->covers_body() ? needs() : needs() & ~needs_body_hash;
  }
  const std::vector<Spot>& spots() const override { return spots_; }
  // The password goes out in no request; what does is another text each time.
  const std::vector<vault::Secret>& masks() const override { return masks_; }
  std::string describe() const override { return "Digest, as the service's challenge asks"; }

  std::expected<void, Error> apply(const Inputs& in, Changes& out) const override {
    out.clear();
    if (in.challenge.empty()) return {};  // nothing secret goes out before the service has asked
    const auto challenge = strongest_digest(in.challenge);
    if (!challenge) return std::unexpected(Error{"", "The service's Digest challenge cannot be answered."});
    auto proof = proof_of(*challenge, in);
    if (!proof) return std::unexpected(std::move(proof.error()));
    out.proofs.push_back(out.keep(std::move(*proof)));
    out.headers.push_back({"Authorization", out.keep(written(*challenge, in, out.proofs.back()))});
    return {};
  }

 private:
  static std::string_view qop_of(const DigestChallenge& c) { return c.auth ? "auth" : c.auth_int ? "auth-int" : ""; }
  static std::string uri_of(const Inputs& in) {
    return std::string(in.path).append(in.query.empty() ? "" : "?").append(in.query);
  }
  static std::string count_of(const Inputs& in) { return fmt::format("{:08x}", in.challenge_count); }

  std::expected<std::string, Error> proof_of(const DigestChallenge& c, const Inputs& in) const {
    const Algorithm by = scheme_of(c.algorithm)->algorithm;
    const std::string_view qop = qop_of(c);
    const std::string uri = uri_of(in), count = count_of(in);
    std::string first = hash(by, {username_.expose(), c.realm, password_.expose()});
    if (is_session(c.algorithm)) {
      std::string key = hash(by, {first, c.nonce, in.nonce});
      first.swap(key);
      vault::wipe(key);
    }
    std::string second = hash(by, {in.method, uri});
    if (qop == "auth-int") {
      const std::string body = in.content == nullptr ? std::string() : digest(by, *in.content);
      if (body.empty())
        return std::unexpected(Error{
            "/body", "The service wants the body in its Digest answer, and this one was not held: send it again."});
      second = hash(by, {in.method, uri, hex(body)});
    }
    std::string proof =
        qop.empty() ? hash(by, {first, c.nonce, second}) : hash(by, {first, c.nonce, count, in.nonce, qop, second});
    vault::wipe(first);
    return proof;
  }

  std::string written(const DigestChallenge& c, const Inputs& in, std::string_view proof) const {
    std::string out = "Digest " + name_of_user(c, scheme_of(c.algorithm)->algorithm);
    const auto add = [&](std::string_view name, std::string_view value) {
      out.append(", ").append(name).append("=").append(value);
    };
    add("realm", in_quotes(c.realm));
    add("uri", in_quotes(uri_of(in)));
    if (!c.algorithm.empty()) add("algorithm", c.algorithm);
    add("nonce", in_quotes(c.nonce));
    if (const std::string_view qop = qop_of(c); !qop.empty()) {
      add("nc", count_of(in));
      add("cnonce", in_quotes(in.nonce));
      add("qop", qop);
    }
    add("response", in_quotes(proof));
    if (c.opaque) add("opaque", in_quotes(*c.opaque));
    if (c.userhash) add("userhash", "true");
    return out;
  }

  std::string name_of_user(const DigestChallenge& c, Algorithm by) const {
    const std::string_view user = username_.expose();
    if (c.userhash) return "username=" + in_quotes(hash(by, {user, c.realm}));
    if (c.utf8 && !is_ascii(user)) return "username*=" + extended(user);
    return "username=" + in_quotes(user);
  }

  const vault::Secret username_, password_;
  const std::vector<Spot> spots_{{Place::header, "Authorization"}};
  const std::vector<vault::Secret> masks_;
};

}  // namespace

std::optional<DigestChallenge> strongest_digest(std::string_view www_authenticate) {
  std::optional<DigestChallenge> best;
  int strength = 0;
  for (Reader reader(www_authenticate); !reader.at_end();) {
    const std::string_view scheme = reader.token();
    if (scheme.empty()) {
      reader.skip_to_comma();
      continue;
    }
    const auto parameters = reader.parameters();
    if (!wire::iequals(scheme, "Digest")) continue;
    auto challenge = read_challenge(parameters);
    if (!challenge || scheme_of(challenge->algorithm)->strength <= strength) continue;
    strength = scheme_of(challenge->algorithm)->strength;
    best = std::move(challenge);
  }
  return best;
}

std::string to_text(const DigestChallenge& c) {
  std::string out = "Digest realm=" + in_quotes(c.realm) + ", nonce=" + in_quotes(c.nonce);
  if (c.opaque) out += ", opaque=" + in_quotes(*c.opaque);
  if (!c.algorithm.empty()) out += ", algorithm=" + c.algorithm;
  if (!c.domain.empty()) out += ", domain=" + in_quotes(c.domain);
  if (c.auth || c.auth_int)
    out += c.auth && c.auth_int ? ", qop=\"auth, auth-int\"" : c.auth ? ", qop=\"auth\"" : ", qop=\"auth-int\"";
  if (c.stale) out += ", stale=true";
  if (c.userhash) out += ", userhash=true";
  if (c.utf8) out += ", charset=UTF-8";
  return out;
}

std::optional<std::string> next_nonce(std::string_view authentication_info) {
  bool doubled = false;
  auto found = only(Reader(authentication_info).parameters(), "nextnonce", doubled);
  if (doubled || (found && found->empty())) return std::nullopt;
  return found;
}

std::expected<std::unique_ptr<Injection>, std::string> make_digest(Recipe recipe) {
  const auto take = [&](const char* name) {
    const auto at = recipe.values.find(name);
    return at == recipe.values.end() ? vault::Secret() : std::move(at->second);
  };
  vault::Secret username = take("username"), password = take("password");
  if (username.empty()) return std::unexpected("the field username has no value");
  const std::string_view name = username.expose();
  if (!wire::is_field_value(name)) return std::unexpected("the field username holds a control character");
  return std::make_unique<DigestInjection>(std::move(username), std::move(password));
}

}  // namespace postern::inject
