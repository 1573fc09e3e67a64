#include "proxy/inject/wsse.hpp"

#include "proxy/inject/encoding.hpp"
#include "proxy/inject/options.hpp"
#include "proxy/inject/times.hpp"

namespace postern::inject {
namespace {

enum class Nonce : std::uint8_t { base64, text };
constexpr std::string_view kNonces[] = {"base64", "text"};
enum class Digest : std::uint8_t { base64, base64_of_hex };
constexpr std::string_view kDigests[] = {"base64", "base64-of-hex"};

class WsseInjection final : public Injection {
 public:
  WsseInjection(std::string header, Nonce nonce, Digest digest, std::string user, vault::Secret password,
                std::string placeholder)
      : nonce_(nonce),
        digest_(digest),
        user_(std::move(user)),
        password_(std::move(password)),
        placeholder_(std::move(placeholder)) {
    spots_.push_back({Place::header, std::move(header)});
  }

  std::uint8_t needs() const override { return needs_head | needs_time; }
  const std::vector<Spot>& spots() const override { return spots_; }
  const std::vector<vault::Secret>& masks() const override { return masks_; }
  std::string describe() const override { return "WSSE in header " + spots_.front().name; }

  std::expected<void, Error> apply(const Inputs& in, Changes& out) const override {
    out.clear();
    const std::string created = write_time(TimeFormat::iso8601, in.now_ms);
    const std::string_view digest = out.keep(digest_of(in.nonce, created));
    out.proofs.push_back(digest);
    std::string value = "UsernameToken Username=\"" + user_ + "\", PasswordDigest=\"";
    value += digest;
    value += "\", Nonce=\"" + (nonce_ == Nonce::base64 ? encode(Encoding::base64, in.nonce) : std::string(in.nonce));
    value += "\", Created=\"" + created + "\"";
    out.headers.push_back({spots_.front().name, out.keep(std::move(value))});
    return {};
  }

 private:
  std::string digest_of(std::string_view nonce, std::string_view created) const {
    if (!placeholder_.empty()) return placeholder_;
    std::string text;
    text.reserve(nonce.size() + created.size() + password_.size());
    text.append(nonce).append(created).append(password_.expose());
    const std::string hash = digest(Algorithm::sha1, text);
    vault::wipe(text);
    return encode(Encoding::base64, digest_ == Digest::base64 ? hash : encode(Encoding::hex, hash));
  }

  const Nonce nonce_;
  const Digest digest_;
  const std::string user_;
  const vault::Secret password_;
  const std::string placeholder_;
  std::vector<Spot> spots_;
  std::vector<vault::Secret> masks_;  // none: a digest is in Changes::proofs
};

}  // namespace

std::expected<std::unique_ptr<Injection>, std::string> make_wsse(Recipe recipe) {
  Options options(recipe);
  std::string header = options.header("header", "X-WSSE");
  const auto nonce = options.choice<Nonce>("nonce", kNonces);
  const auto digest = options.choice<Digest>("digest", kDigests);
  const bool named = recipe.values.contains("username");
  std::string user(options.needed(named ? "username" : "keyId"));
  if (!wire::is_field_value(user) || user.find_first_of("\"\\") != user.npos)
    options.refuse("the username holds a quote, a backslash or a control character");
  vault::Secret password(options.needed(named ? "password" : "key"));
  if (options.mistake()) return std::unexpected(*options.mistake());
  return std::make_unique<WsseInjection>(std::move(header), nonce, digest, std::move(user), std::move(password),
                                         std::move(recipe.placeholder));
}

}  // namespace postern::inject
