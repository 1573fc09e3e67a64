// What is asked for is worked out when it is made; a request costs the texts that its message names.
#include "proxy/inject/hmac.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "proxy/inject/encoding.hpp"
#include "proxy/inject/message.hpp"
#include "proxy/inject/options.hpp"
#include "proxy/inject/parameters.hpp"
#include "proxy/inject/times.hpp"
#include "proxy/wire/rewrite.hpp"

namespace postern::inject {
namespace {

constexpr std::string_view kNames[] = {"method", "authority", "path",  "query", "sorted_query",
                                       "target", "timestamp", "nonce", "body",  "body_hash"};
constexpr std::string_view kHeader = "header_";
constexpr std::string_view kNonceFormats[] = {"hex", "uuid"};
enum class NonceFormat : std::uint8_t { hex, uuid };

// Where something is written: a header, a query parameter, or (neither) only into the texts.
struct Where {
  std::string header, query;
  bool none() const { return header.empty() && query.empty(); }
};

struct Plan {
  Message message, value;
  Where signature, timestamp, nonce, body_hash;
  Algorithm hash = Algorithm::sha256, body_hash_of = Algorithm::sha256;
  Encoding encoding = Encoding::hex, body_hash_encoding = Encoding::hex;
  TimeFormat timestamp_format = TimeFormat::seconds;
  NonceFormat nonce_format = NonceFormat::hex;
  bool reads_body = false, hashes_body = false;
};

// HMAC over bytes that come in pieces, as digest.hpp's takes them at once.
class Hmac {
 public:
  Hmac(Algorithm algorithm, std::string_view key) : context_(EVP_MAC_CTX_new(fetched())) {
    std::string name(algorithm_names()[static_cast<std::size_t>(algorithm)]);  // OSSL_PARAM takes no const
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0),
                                 OSSL_PARAM_construct_end()};
    must(context_ && EVP_MAC_init(context_.get(), bytes_of(key), key.size(), params) == 1);
  }
  void add(std::string_view bytes) { must(EVP_MAC_update(context_.get(), bytes_of(bytes), bytes.size()) == 1); }
  std::string finish() {  // once
    std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
    std::size_t size = 0;
    must(EVP_MAC_final(context_.get(), out.data(), &size, out.size()) == 1);
    return {reinterpret_cast<const char*>(out.data()), size};
  }

 private:
  struct Free {
    void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
  };
  static void must(bool done) {
    if (!done) std::abort();  // a request without its signature must not go out
  }
  static const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  }
  // Fetching is the slow part of OpenSSL 3, so it is done once.
  static EVP_MAC* fetched() {
    static EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    return hmac;
  }
  std::unique_ptr<EVP_MAC_CTX, Free> context_;
};

// RFC 9562 section 5.4: version 4, of 32 random hex characters.
std::string as_uuid(std::string_view hex) {
  std::string out(hex);
  if (out.size() != 32) return out;
  out[12] = '4';
  out[16] = "89ab"[static_cast<unsigned char>(out[16]) & 3];
  for (const std::size_t at : {20, 16, 12, 8}) out.insert(at, 1, '-');
  return out;
}

std::unexpected<Error> cannot_write(std::string_view name) {
  return std::unexpected(Error{"", "What " + std::string(name) + " would hold cannot stand in a header."});
}

class HmacInjection final : public Injection {
 public:
  HmacInjection(Plan plan, vault::Secret key, std::map<std::string, vault::Secret> values, std::string placeholder)
      : plan_(std::move(plan)), key_(std::move(key)), values_(std::move(values)), placeholder_(std::move(placeholder)) {
    for (const Where* where : {&plan_.timestamp, &plan_.nonce, &plan_.body_hash, &plan_.signature}) {
      if (!where->header.empty()) spots_.push_back({Place::header, where->header});
      if (!where->query.empty()) spots_.push_back({Place::query, where->query});
    }
  }

  std::uint8_t needs() const override {
    return needs_head | needs_target | needs_time | (plan_.reads_body ? needs_body_hash : 0);
  }
  const std::vector<Spot>& spots() const override { return spots_; }
  const std::vector<vault::Secret>& masks() const override { return masks_; }
  std::string describe() const override {
    const Where& where = plan_.signature;
    return "HMAC in " + (where.header.empty() ? "query " + where.query : "header " + where.header);
  }

  std::expected<void, Error> apply(const Inputs& in, Changes& out) const override {
    out.clear();
    Request request{in, out, {}, {}, {}, {}, {}, {}};
    auto signed_ = sign(request);
    if (!signed_) out.clear();
    return signed_;
  }

 private:
  // What the names stand for in one request.
  struct Request {
    const Inputs& in;
    Changes& out;
    std::string_view timestamp, nonce, body_hash;
    std::string query, sorted_query, target;
    std::string_view signature = {};
  };

  std::expected<void, Error> sign(Request& request) const {
    if (plan_.hashes_body) {
      const auto hash = digest_of(plan_.body_hash_of, request.in.content);
      if (!hash) return std::unexpected(unreadable());
      request.body_hash = request.out.keep(encode(plan_.body_hash_encoding, *hash));
    }
    request.timestamp = request.out.keep(write_time(plan_.timestamp_format, request.in.now_ms));
    request.nonce = request.out.keep(plan_.nonce_format == NonceFormat::uuid ? as_uuid(request.in.nonce)
                                                                             : std::string(request.in.nonce));
    put(plan_.timestamp, request.timestamp, request.out);
    put(plan_.nonce, request.nonce, request.out);
    put(plan_.body_hash, request.body_hash, request.out);
    write_target(request);
    auto signature = mac_of(request);
    if (!signature) return std::unexpected(std::move(signature.error()));
    request.signature = request.out.keep(std::move(*signature));
    request.out.proofs.push_back(request.signature);
    const std::string_view value =
        request.out.keep(plan_.value.text([&](std::string_view name) { return variable(request, name); }));
    if (!plan_.signature.header.empty() && !wire::is_field_value(value)) return cannot_write(plan_.signature.header);
    put(plan_.signature, value, request.out);
    return {};
  }

  static Error unreadable() { return {"/body", "The body could not be read to its end; send it again."}; }

  static void put(const Where& where, std::string_view value, Changes& out) {
    if (!where.header.empty()) out.headers.push_back({where.header, value});
    if (!where.query.empty()) out.query.push_back({where.query, value});
  }

  void write_target(Request& request) const {
    std::string target = "?";  // append_query() sees that there is a query only by its mark
    target += request.in.query;
    if (request.in.query.empty()) target.clear();
    for (const NameValue& parameter : request.out.query) wire::append_query(target, parameter.name, parameter.value);
    request.query = target.substr(target.empty() ? 0 : 1);
    request.target.append(request.in.path).append(target);
    if (plan_.message.uses("sorted_query")) request.sorted_query = sorted_parameters(read_parameters(request.query));
  }

  std::expected<std::string, Error> mac_of(const Request& request) const {
    if (!placeholder_.empty()) return placeholder_;
    Hmac mac(plan_.hash, key_.expose());
    bool whole = true;
    plan_.message.write([&](std::string_view name) { return variable(request, name); },
                        [&](const Message::Part& part, std::string_view text) {
                          const auto& argument = part.arguments.front();
                          const bool body =
                              part.function == Message::Function::none && !argument.quoted && argument.text == "body";
                          if (!body) return mac.add(text);
                          if (request.in.content != nullptr)
                            whole = request.in.content->each([&](std::string_view piece) { mac.add(piece); }) && whole;
                        });
    if (!whole) return std::unexpected(unreadable());
    return encode(plan_.encoding, mac.finish());
  }

  std::string_view variable(const Request& request, std::string_view name) const {
    const std::array<std::string_view, std::size(kNames)> texts{
        request.in.method, request.in.authority, request.in.path,
        request.query,     request.sorted_query, request.target,
        request.timestamp, request.nonce,        {},
        request.body_hash};
    if (const auto* const at = std::find(std::begin(kNames), std::end(kNames), name); at != std::end(kNames))
      return texts[static_cast<std::size_t>(at - std::begin(kNames))];
    if (name == "signature") return request.signature;
    if (name.starts_with(kHeader)) return field(request, name.substr(kHeader.size()));
    const auto at = values_.find(std::string(name));
    return at == values_.end() ? std::string_view() : at->second.expose();
  }

  // As it goes out: what this injection adds counts. A field that is not there is empty.
  static std::string_view field(const Request& request, std::string_view underscored) {
    std::string name(underscored);
    std::replace(name.begin(), name.end(), '_', '-');
    for (const NameValue& each : request.out.headers)
      if (wire::iequals(each.name, name)) return each.value;
    for (const NameValue& each : request.in.fields)
      if (wire::iequals(each.name, name)) return each.value;
    return {};
  }

  Plan plan_;
  vault::Secret key_;
  std::map<std::string, vault::Secret> values_;
  std::string placeholder_;
  std::vector<Spot> spots_;
  std::vector<vault::Secret> masks_;  // none: a signature is in Changes::proofs
};

Message read_message(Options& options, std::string_view key, std::string_view fallback) {
  auto message = Message::parse(options.text(key, fallback));
  if (message) return std::move(*message);
  options.refuse("sign." + std::string(key) + ": " + message.error());
  return {};
}

Where read_where(Options& options, const std::string& prefix) {
  Where out{options.header(prefix + "header"), options.text(prefix + "query")};
  if (!out.header.empty() && !out.query.empty())
    options.refuse("sign." + prefix + "header and sign." + prefix + "query exclude each other");
  return out;
}

void check_names(Options& options, const Message& message, const Recipe& recipe, bool of_value) {
  for (const std::string_view name : message.variables()) {
    const bool known = std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) ||
                       name.starts_with(kHeader) || (of_value && name == "signature") ||
                       recipe.values.contains(std::string(name));
    if (!known) options.refuse("the signature needs ${" + std::string(name) + "}, which nothing brings");
  }
  const bool plain = std::none_of(message.parts().begin(), message.parts().end(), [](const Message::Part& part) {
    return part.function != Message::Function::none &&
           std::any_of(part.arguments.begin(), part.arguments.end(),
                       [](const auto& argument) { return !argument.quoted && argument.text == "body"; });
  });
  if (!plain || (of_value && message.uses("body"))) options.refuse("${body} stands in sign.message, by itself");
}

}  // namespace

std::expected<std::unique_ptr<Injection>, std::string> make_hmac(Recipe recipe) {
  Options options(recipe);
  Plan plan;
  plan.message = read_message(options, "message", "");
  if (plan.message.parts().empty()) options.refuse("sign.message is missing");
  plan.value = read_message(options, "value", "${signature}");
  if (!plan.value.uses("signature")) options.refuse("sign.value does not hold ${signature}");
  plan.signature = read_where(options, "");
  if (plan.signature.none()) options.refuse("sign.header or sign.query must say where the signature goes");
  plan.timestamp = read_where(options, "timestamp_");
  plan.nonce = read_where(options, "nonce_");
  plan.body_hash = read_where(options, "body_hash_");
  plan.hash = options.choice("hash", algorithm_names(), Algorithm::sha256);
  plan.encoding = options.choice<Encoding>("encoding", encoding_names());
  plan.body_hash_of = options.choice("body_hash", algorithm_names(), Algorithm::sha256);
  plan.body_hash_encoding = options.choice<Encoding>("body_hash_encoding", encoding_names());
  plan.timestamp_format = options.choice<TimeFormat>("timestamp_format", time_format_names());
  plan.nonce_format = options.choice<NonceFormat>("nonce_format", kNonceFormats);
  plan.hashes_body = plan.message.uses("body_hash") || plan.value.uses("body_hash") || !plan.body_hash.none();
  plan.reads_body = plan.hashes_body || plan.message.uses("body");
  check_names(options, plan.message, recipe, false);
  check_names(options, plan.value, recipe, true);
  const auto written = options.choice<KeyEncoding>("key_encoding", key_encoding_names());
  auto key =
      recipe.placeholder.empty() ? decode_key(written, options.needed("key")) : vault::Secret(recipe.placeholder);
  if (!key) options.refuse("the key is empty or not what sign.key_encoding says");
  for (const Algorithm used : {plan.hash, plan.body_hash_of})
    if (!available(used))
      options.refuse("this OpenSSL has no " + std::string(algorithm_names()[static_cast<std::size_t>(used)]));
  if (options.mistake()) return std::unexpected(*options.mistake());
  return std::make_unique<HmacInjection>(std::move(plan), std::move(*key), std::move(recipe.values),
                                         std::move(recipe.placeholder));
}

}  // namespace postern::inject
