// What is signed: the caller's own list of fields if it signed, otherwise Host, Content-Type, Content-MD5; always every
// X-Amz-* that goes out. How the body counts: as the caller's X-Amz-Content-Sha256 says (a hash is the caller's claim,
// which the service checks against the bytes, so nothing is held for it), else as the entry says, else by its hash.
// Deliberately not: SigV4A (ECDSA, several regions), S3 Express sessions, the form fields of a browser's POST to S3.
#include "proxy/inject/aws_sigv4.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

#include "proxy/inject/aws_canonical.hpp"
#include "proxy/inject/aws_chunks.hpp"
#include "proxy/inject/aws_scope.hpp"
#include "proxy/inject/digest.hpp"

namespace postern::inject {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256", kUnsigned = "UNSIGNED-PAYLOAD";
constexpr std::string_view kStreaming = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
                           kStreamingTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
                           kStreamingUnsigned = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
constexpr unsigned kLongestExpiry = 604'800;  // seconds: seven days, AWS's own limit

std::unexpected<Error> refuse(std::string message) {
  return std::unexpected(Error{"", std::move(message)});
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
         });
}

bool is_streaming(std::string_view payload) {
  return payload == kStreaming || payload == kStreamingTrailer || payload == kStreamingUnsigned;
}

// 20260101T000000Z
std::string time_text(std::int64_t now_ms) {
  const std::time_t seconds = now_ms / 1'000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts)};
}

bool is_s3(std::string_view service) {
  return service == "s3" || service == "s3express" || service == "s3-outposts" || service == "s3-object-lambda";
}

// One request on its way to its signature.
struct Draft {
  AwsHint hint;
  AwsScope scope;
  bool s3 = false;
  std::string time, credential_scope, payload;
  std::vector<std::string> names;  // of the signed fields, lower case, sorted
};

class AwsSigV4 final : public Injection {
 public:
  explicit AwsSigV4(Recipe recipe) : recipe_(std::move(recipe)) {
    for (const char* name : {"Authorization", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-Sha256"})
      spots_.push_back({Place::header, name});
    for (const char* name : {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
                             "X-Amz-SignedHeaders", "X-Amz-Security-Token", "X-Amz-Signature"})
      spots_.push_back({Place::query, name});
    configured_ = {option("region"), option("service")};
    unsigned_ = option("payload") == "unsigned";
    if (const vault::Secret* token = value("sessionToken"); token != nullptr) masks_.push_back(token->clone());
  }

  std::uint8_t needs() const override { return needs_head | needs_target | needs_time | needs_body_hash; }
  std::uint8_t needs_of(const Inputs& head) const override {
    const AwsHint hint = read_aws_hint(head);
    const bool said = hint.in_query ? like_s3(scope_for(hint, {})) : !hint.payload.empty();
    return said || unsigned_ ? needs() & ~needs_body_hash : needs();
  }
  const std::vector<Spot>& spots() const override { return spots_; }
  const std::vector<vault::Secret>& masks() const override { return masks_; }
  std::string describe() const override { return "an AWS Signature Version 4"; }

  std::expected<void, Error> apply(const Inputs& in, Changes& out) const override {
    out.clear();
    auto draft = begin(in);
    if (!draft) return std::unexpected(std::move(draft.error()));
    auto done = draft->hint.in_query ? sign_query(*draft, in, out) : sign_head(*draft, in, out);
    if (!done) out.clear();
    return done;
  }

 private:
  const vault::Secret* value(const std::string& name) const {
    const auto at = recipe_.values.find(name);
    return at == recipe_.values.end() || at->second.empty() ? nullptr : &at->second;
  }
  std::string option(const std::string& name) const {
    const auto at = recipe_.options.find(name);
    return at == recipe_.options.end() ? std::string() : at->second;
  }

  // The caller's own scope, then the entry's, then what the host tells.
  AwsScope scope_for(const AwsHint& hint, std::string_view authority) const {
    if (hint.scope.complete()) return hint.scope;
    AwsScope scope = configured_;
    const AwsScope host = scope.complete() ? AwsScope{} : aws_scope_of_host(authority);
    if (scope.region.empty()) scope.region = host.region;
    if (scope.service.empty()) scope.service = host.service;
    return scope;
  }

  bool like_s3(const AwsScope& scope) const {
    const std::string path = option("path");
    return path.empty() ? is_s3(scope.service) : path == "s3";
  }

  std::expected<Draft, Error> begin(const Inputs& in) const {
    Draft draft;
    draft.hint = read_aws_hint(in);
    draft.scope = scope_for(draft.hint, in.authority);
    if (!draft.scope.complete())
      return refuse(
          "The region and service of this AWS call are not known; sign it with any key, so that its scope says "
          "them, or put region and service into the connection's config.");
    draft.s3 = like_s3(draft.scope);
    draft.time = time_text(in.now_ms);
    draft.credential_scope =
        draft.time.substr(0, 8) + '/' + draft.scope.region + '/' + draft.scope.service + "/aws4_request";
    auto payload = payload_of(draft, in);
    if (!payload) return std::unexpected(std::move(payload.error()));
    draft.payload = std::move(*payload);
    return draft;
  }

  std::expected<std::string, Error> payload_of(const Draft& draft, const Inputs& in) const {
    const std::string& said = draft.hint.payload;
    if (draft.hint.in_query && draft.s3) return std::string(kUnsigned);
    if (!draft.hint.in_query && !said.empty()) {
      if (said == kUnsigned || is_sha256(said) || is_streaming(said)) return said;
      return refuse(
          "This X-Amz-Content-Sha256 cannot be signed here; send a SHA-256, UNSIGNED-PAYLOAD, or chunks signed "
          "with AWS4-HMAC-SHA256.");
    }
    if (unsigned_) return std::string(kUnsigned);
    std::string hash = in.content != nullptr ? hex(digest(Algorithm::sha256, *in.content)) : std::string();
    if (hash.empty()) return refuse("The body could not be read back to be signed; send the request again.");
    return hash;
  }

  // Which fields are signed: `written` are ours.
  static void choose_names(Draft& draft, const Inputs& in, std::span<const NameValue> written) {
    constexpr std::string_view usual[] = {"content-type", "content-md5"};
    const auto& listed = draft.hint.signed_fields;
    draft.names.emplace_back("host");
    const auto add = [&](std::string_view name) {
      std::string lower(name);
      for (char& c : lower)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
      const bool wanted = listed.empty() ? std::find(std::begin(usual), std::end(usual), lower) != std::end(usual)
                                         : std::find(listed.begin(), listed.end(), lower) != listed.end();
      if (wanted || lower.starts_with("x-amz-")) draft.names.push_back(std::move(lower));
    };
    for (const NameValue& field : in.fields) add(field.name);
    for (const NameValue& field : written) add(field.name);
    std::sort(draft.names.begin(), draft.names.end());
    draft.names.erase(std::unique(draft.names.begin(), draft.names.end()), draft.names.end());
  }

  static std::string joined(const std::vector<std::string>& names) {
    std::string out;
    for (const std::string& name : names) out.append(out.empty() ? "" : ";").append(name);
    return out;
  }

  std::string credential_of(const Draft& draft) const {
    std::string out(value("accessKeyId")->expose());
    return out.append("/").append(draft.credential_scope);
  }

  std::expected<void, Error> sign_head(Draft& draft, const Inputs& in, Changes& out) const {
    // Services other than S3 take the hash from the body; the field is sent to them where the caller sent it.
    if (draft.s3 || !draft.hint.payload.empty() || unsigned_)
      out.headers.push_back({"X-Amz-Content-Sha256", out.keep(draft.payload)});
    out.headers.push_back({"X-Amz-Date", out.keep(draft.time)});
    if (const vault::Secret* token = value("sessionToken"))
      out.headers.push_back({"X-Amz-Security-Token", token->expose()});
    choose_names(draft, in, out.headers);
    std::string signature = sign(draft, in, out.headers, {});
    add_chunks(draft, signature, out);
    std::string text(kAlgorithm);
    text.append(" Credential=").append(credential_of(draft)).append(", SignedHeaders=").append(joined(draft.names));
    text.append(", Signature=").append(signature);
    out.headers.push_back({"Authorization", out.keep(std::move(text))});
    out.proofs.push_back(out.headers.back().value.substr(out.headers.back().value.size() - signature.size()));
    return {};
  }

  std::expected<void, Error> sign_query(Draft& draft, const Inputs& in, Changes& out) const {
    unsigned seconds = 0;
    const std::string& expires = draft.hint.expires;
    const auto [end, ec] = std::from_chars(expires.data(), expires.data() + expires.size(), seconds);
    if (ec != std::errc{} || end != expires.data() + expires.size() || seconds == 0 || seconds > kLongestExpiry)
      return refuse("X-Amz-Expires of a presigned URL is a number of seconds from 1 to 604800.");
    choose_names(draft, in, {});
    out.query.push_back({"X-Amz-Algorithm", kAlgorithm});
    out.query.push_back({"X-Amz-Credential", out.keep(credential_of(draft))});
    out.query.push_back({"X-Amz-Date", out.keep(draft.time)});
    out.query.push_back({"X-Amz-Expires", out.keep(std::to_string(seconds))});
    out.query.push_back({"X-Amz-SignedHeaders", out.keep(joined(draft.names))});
    if (const vault::Secret* token = value("sessionToken"))
      out.query.push_back({"X-Amz-Security-Token", token->expose()});
    out.query.push_back({"X-Amz-Signature", out.keep(sign(draft, in, {}, out.query))});
    out.proofs.push_back(out.query.back().value);
    return {};
  }

  // Chunks that the caller signed with its own key are chained to our signature instead. Unsigned ones go as they come.
  void add_chunks(const Draft& draft, const std::string& signature, Changes& out) const {
    if (draft.payload != kStreaming && draft.payload != kStreamingTrailer) return;
    AwsSeed seed{signing_key(draft), draft.time, draft.credential_scope, signature, draft.payload == kStreamingTrailer};
    if (!recipe_.placeholder.empty()) return;
    out.transform = sign_aws_chunks(std::move(seed));
  }

  vault::Secret signing_key(const Draft& draft) const {
    std::string key = "AWS4";
    key.reserve(4 + value("secretAccessKey")->size());
    key.append(value("secretAccessKey")->expose());
    const std::string_view steps[] = {std::string_view(draft.time).substr(0, 8), draft.scope.region,
                                      draft.scope.service, "aws4_request"};
    for (const std::string_view step : steps) {
      std::string next = hmac(Algorithm::sha256, key, step);
      vault::wipe(key);
      key = std::move(next);
    }
    return vault::Secret::take(key);
  }

  std::string sign(const Draft& draft, const Inputs& in, std::span<const NameValue> headers,
                   std::span<const NameValue> query) const {
    if (!recipe_.placeholder.empty()) return recipe_.placeholder;
    std::vector<NameValue> fields{{"host", in.authority}};
    fields.insert(fields.end(), in.fields.begin(), in.fields.end());
    fields.insert(fields.end(), headers.begin(), headers.end());
    std::string request(in.method);
    request += '\n';
    append_canonical_path(draft.s3 ? AwsPath::s3 : AwsPath::resolved, in.path, request);
    request += '\n';
    append_canonical_query(in.query, query, request);
    request += '\n';
    append_canonical_fields(fields, draft.names, request);
    request.append("\n").append(joined(draft.names)).append("\n").append(draft.payload);
    std::string text(kAlgorithm);
    text.append("\n").append(draft.time).append("\n").append(draft.credential_scope).append("\n");
    text.append(hex(digest(Algorithm::sha256, request)));
    vault::wipe(request);  // rules of the same entry may have put secrets into it
    return hex(hmac(Algorithm::sha256, signing_key(draft).expose(), text));
  }

  const Recipe recipe_;
  std::vector<Spot> spots_;
  std::vector<vault::Secret> masks_;
  AwsScope configured_;
  bool unsigned_ = false;
};

}  // namespace

std::expected<std::unique_ptr<Injection>, std::string> make_aws_sigv4(Recipe recipe) {
  for (const char* name : {"accessKeyId", "secretAccessKey"}) {
    const auto at = recipe.values.find(name);
    if (at == recipe.values.end() || at->second.empty()) return std::unexpected(std::string(name) + " is empty");
  }
  const std::string_view id = recipe.values.find("accessKeyId")->second.expose();
  if (!wire::is_field_value(id) || id.find_first_of(" ,/\t") != id.npos)
    return std::unexpected("accessKeyId holds a character that no access key id has");
  if (const auto token = recipe.values.find("sessionToken");
      token != recipe.values.end() && !wire::is_field_value(token->second.expose()))
    return std::unexpected("sessionToken holds a line end or a control character");
  for (const char* name : {"region", "service"})
    if (const auto at = recipe.options.find(name); at != recipe.options.end() && !is_scope_part(at->second))
      return std::unexpected(std::string(name) + " is not the name of one");
  return std::make_unique<AwsSigV4>(std::move(recipe));
}

}  // namespace postern::inject
