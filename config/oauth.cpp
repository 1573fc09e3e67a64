// The OAuth keys of an auth entry: endpoints, clients, assertions, scopes. Strict: every key is known.
#include "config/oauth.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "config/decode.hpp"
#include "config/measures.hpp"
#include "config/sign.hpp"

namespace postern::config {
namespace {

const std::vector<std::pair<std::string_view, ClientAuth>> kClientAuth{{"basic", ClientAuth::basic},
                                                                       {"basic_raw", ClientAuth::basic_raw},
                                                                       {"body", ClientAuth::body},
                                                                       {"secret_as_user", ClientAuth::secret_as_user},
                                                                       {"private_key_jwt", ClientAuth::private_key_jwt},
                                                                       {"none", ClientAuth::none}};

ClientAuth default_client_auth(std::string_view type) {
  return type == "OAUTH2" || type == "OAUTH2_CLIENT_CREDENTIALS" ? ClientAuth::basic : ClientAuth::none;
}

class Decoder {
 public:
  Decoder(const Auth& auth, const Names& variables, Mistakes& mistakes)
      : auth_(auth), variables_(variables), mistakes_(mistakes), known_(variables), plain_(variables) {
    for (const auto* fields : {&auth.fields, &auth.app_fields})
      for (const auto& [name, spec] : *fields) {
        known_.push_back(name);
        brought_.push_back(name);
        if (!spec.secret) plain_.push_back(name);
      }
  }

  OAuth run(MapReader& in, const Node& node) {
    if (const Node* at = in.get("authorize")) out_.authorize = authorize(*at);
    out_.token.client_auth = default_client_auth(auth_.type);
    token(in, node);
    if (const Node* at = in.get("refresh")) refresh(*at);
    if (const Node* at = in.get("answer")) out_.answer = decode_answer(*at, mistakes_);
    if (const Node* at = in.get("revoke")) out_.revoke = revoke(*at);
    if (const Node* at = in.get("introspect")) out_.introspect = side_call(*at, "introspect");
    if (const Node* at = in.get("device")) out_.device = side_call(*at, "device");
    assertions(in, node);
    if (const Node* at = in.get("exchange")) out_.exchange = exchange(*at);
    if (const Node* at = in.get("scopes")) scopes(*at);
    if (const Node* at = in.get("refused")) refused(*at);
    check(node);
    return std::move(out_);
  }

 private:
  // --- parts of a call ----------------------------------------------------------------------------------------------
  Template text(const Node& node) {
    auto parsed = decode_template(node, &known_, mistakes_);
    return parsed ? std::move(*parsed) : Template{};
  }
  std::optional<Template> text(MapReader& in, std::string_view key) {
    const Node* node = in.get(key);
    return node ? std::optional(text(*node)) : std::nullopt;
  }
  // A secret never stands in a URL, where logs and histories would keep it.
  Template url(const Node& node) {
    std::string text = decode_url(node, plain_, mistakes_);
    // decode_url takes the last '/' off, as bases want it; an endpoint is asked for as it is written (TikTok's ends
    // so).
    const bool slash = node.text.ends_with('/') && text.find('/', std::string_view("https://").size()) != text.npos;
    const auto parsed = Template::parse(slash ? text + "/" : text);
    return parsed ? *parsed : Template{};
  }
  Template url(MapReader& in, const Node& node, std::string_view what) {
    if (const Node* at = in.get("url")) return url(*at);
    mistakes_.add(node, fmt::format("{} needs a url", what));
    return {};
  }
  // Compared byte for byte, so a last '/' stays.
  Template issuer(const Node& node) {
    decode_url(node, plain_, mistakes_);
    const auto parsed = Template::parse(node.text);
    return parsed ? *parsed : Template{};
  }
  Texts texts(MapReader& in, std::string_view key) {
    const Node* node = in.get(key);
    if (!node) return {};
    decode_text_map(*node, mistakes_);  // its shape, and no control characters
    Texts out;
    for (std::size_t i = 0; i < node->keys.size(); ++i)
      if (node->items[i].is_scalar()) out[node->keys[i].text] = text(node->items[i]);
    return out;
  }
  Texts headers(MapReader& in) {
    Texts out = texts(in, "headers");
    if (const Node* node = in.get("headers"))
      for (const Node& key : node->keys)
        if (const auto refused = refuse_header(key.text)) mistakes_.add(key, *refused);
    return out;
  }
  void call(MapReader& in, const Node& node, std::string_view what, OAuthCall& out) {
    out.url = url(in, node, what);
    out.method = decode_choice<std::string>(in.get("method"),
                                            {{"POST", "POST"}, {"GET", "GET"}, {"PUT", "PUT"}, {"DELETE", "DELETE"}},
                                            out.method, mistakes_);
    const Node* encoding = in.get("encoding");
    if (out.method == "GET") out.encoding = Encoding::query;
    out.encoding = decode_choice<Encoding>(
        encoding, {{"form", Encoding::form}, {"json", Encoding::json}, {"query", Encoding::query}}, out.encoding,
        mistakes_);
    if (encoding && out.method == "GET" && out.encoding != Encoding::query)
      mistakes_.add(*encoding, "a GET has no body: its encoding is query");
    out.client_auth = decode_choice<ClientAuth>(in.get("client_auth"), kClientAuth, out.client_auth, mistakes_);
    out.params = texts(in, "params");
    out.headers = headers(in);
    if (const Node* sign = in.get("sign")) {
      out.sign = decode_granted_sign(*sign, variables_, brought_, mistakes_);
      if (out.client_auth != ClientAuth::none)
        mistakes_.add(*sign, "a call that is signed says client_auth: none; its signature is the client's");
    }
    if (out.encoding != Encoding::json)
      for (const auto& [name, value] : out.params)
        if (name.starts_with('/')) mistakes_.add(node, fmt::format("'{}': a pointer needs encoding: json", name));
  }

  // --- sections -----------------------------------------------------------------------------------------------------
  OAuthAuthorize authorize(const Node& node) {
    OAuthAuthorize out;
    MapReader in(node, "authorize", mistakes_);
    out.url = url(in, node, "authorize");
    out.params = texts(in, "params");
    out.scope_separator = in.text("scope_separator", out.scope_separator);
    out.scope_param = in.text("scope_param", out.scope_param);
    out.pkce = decode_choice<Pkce>(in.get("pkce"),
                                   {{"required", Pkce::required}, {"supported", Pkce::supported}, {"none", Pkce::none}},
                                   out.pkce, mistakes_);
    if (const Node* at = in.get("issuer")) out.issuer = issuer(*at);
    in.finish();
    return out;
  }
  void token(MapReader& in, const Node& node) {
    const Node* at = in.get("token");
    if (!at) return mistakes_.add(node, fmt::format("type {} needs token: where tokens are asked for", auth_.type));
    MapReader inner(*at, "token", mistakes_);
    call(inner, *at, "token", out_.token);
    out_.token.client_id_param = inner.text("client_id_param", out_.token.client_id_param);
    out_.token.client_secret_param = inner.text("client_secret_param", out_.token.client_secret_param);
    inner.finish();
  }
  void refresh(const Node& node) {
    OAuthRefresh& out = out_.refresh;
    MapReader in(node, "refresh", mistakes_);
    if (const Node* at = in.get("rotates")) {
      out.rotates = at->text == "yes" ? Rotates::yes : at->text == "no" ? Rotates::no : Rotates::maybe;
      if (!at->is_scalar() || (at->text != "yes" && at->text != "no" && at->text != "maybe"))
        mistakes_.add(*at, "rotates is yes, no or maybe");
    }
    if (const Node* at = in.get("url")) out.url = url(*at);
    out.params = texts(in, "params");
    out.headers = headers(in);
    out.token = which(in.get("token"));
    out.token_param = in.text("token_param", out.token_param);
    out.scope = in.flag("scope", out.scope);
    out.idle_lifetime = duration(in.get("idle_lifetime"));
    in.finish();
  }
  OAuthRevoke revoke(const Node& node) {
    OAuthRevoke out;
    MapReader in(node, "revoke", mistakes_);
    out.client_auth = out_.token.client_auth;
    call(in, node, "revoke", out);
    if (const Node* at = in.get("token")) {
      const bool both = at->is_scalar() && at->text == "both";
      out.tokens = both ? std::vector{WhichToken::refresh, WhichToken::access} : std::vector{which(at)};
    }
    out.token_param = in.text("token_param", out.token_param);
    if (const Node* at = in.get("expect")) out.expect = decode_statuses(*at, mistakes_);
    in.finish();
    return out;
  }
  OAuthCall side_call(const Node& node, const std::string& what) {
    OAuthCall out;
    MapReader in(node, what, mistakes_);
    out.client_auth = what == "device" ? ClientAuth::none : out_.token.client_auth;
    call(in, node, what, out);
    in.finish();
    return out;
  }
  OAuthExchange exchange(const Node& node) {
    OAuthExchange out;
    MapReader in(node, "exchange", mistakes_);
    if (const Node* at = in.get("subject_token"))
      out.subject_token = text(*at);
    else
      mistakes_.add(node, "exchange needs a subject_token");
    out.subject_token_type = in.text("subject_token_type", out.subject_token_type);
    out.actor_token = text(in, "actor_token");
    out.actor_token_type = in.text("actor_token_type", out.actor_token_type);
    out.requested_token_type = in.text("requested_token_type");
    in.finish();
    return out;
  }
  void scopes(const Node& node) {
    MapReader in(node, "scopes", mistakes_);
    if (const Node* at = in.get("default")) out_.scopes.defaults = decode_names(*at, mistakes_);
    if (const Node* at = in.get("required")) out_.scopes.required = decode_names(*at, mistakes_);
    if (const Node* at = in.get("available")) out_.scopes.available = decode_names(*at, mistakes_);
    in.finish();
  }

  void refused(const Node& node) {
    MapReader in(node, "refused", mistakes_);
    out_.refused_challenge = in.text("challenge");
    in.finish();
    if (out_.refused_challenge.empty())
      mistakes_.add(node, "refused needs a challenge: what WWW-Authenticate holds where the token is no good");
  }

  // --- assertions ---------------------------------------------------------------------------------------------------
  void assertions(MapReader& in, const Node& node) {
    const bool app = auth_.type == "GITHUB_APP";
    OAuthAssertion own;
    if (app) {
      own.lifetime = std::chrono::seconds(540);  // GitHub refuses more than ten minutes, its clock counts
      own.backdate = std::chrono::seconds(60);
      own.send = OAuthAssertion::Send::bearer;
      own.id = false;
      own.issuer = *Template::parse("${appId}");
      own.audience = Template{};
    }
    const Node* at = in.get("assertion");
    if (at && !app && auth_.type != "JWT_BEARER")
      mistakes_.add(*at, "assertion belongs to JWT_BEARER and GITHUB_APP; a client's own is client_assertion");
    if (at) own = assertion(*at, "assertion", std::move(own));
    if (app || auth_.type == "JWT_BEARER") {
      out_.assertion = std::move(own);
      check_assertion(at ? *at : node, "assertion", *out_.assertion);
    }
    const Node* client = in.get("client_assertion");
    const bool wanted = out_.token.client_auth == ClientAuth::private_key_jwt;
    OAuthAssertion signer;
    signer.issuer = signer.subject = *Template::parse("${clientId}");
    if (client) signer = assertion(*client, "client_assertion", std::move(signer));
    if (client && !wanted) mistakes_.add(*client, "client_assertion needs client_auth: private_key_jwt");
    out_.client_assertion = std::move(signer);
    if (wanted) check_assertion(client ? *client : node, "client_assertion", out_.client_assertion);
  }
  OAuthAssertion assertion(const Node& node, const std::string& what, OAuthAssertion out) {
    MapReader in(node, what, mistakes_);
    out.algorithm = decode_choice<Algorithm>(
        in.get("algorithm"), {{"RS256", Algorithm::rs256}, {"ES256", Algorithm::es256}, {"EdDSA", Algorithm::eddsa}},
        out.algorithm, mistakes_);
    out.key = in.text("key", out.key);
    if (auto given = text(in, "key_id")) out.key_id = std::move(given);
    if (auto given = text(in, "issuer")) out.issuer = std::move(given);
    if (auto given = text(in, "subject")) out.subject = std::move(given);
    if (auto given = text(in, "audience")) out.audience = std::move(given);
    out.claims = texts(in, "claims");
    out.lifetime = seconds(in.get("lifetime"), out.lifetime);
    out.backdate = seconds(in.get("backdate"), out.backdate);
    out.id = in.flag("jti", out.id);
    out.send = decode_choice<OAuthAssertion::Send>(
        in.get("send"), {{"parameter", OAuthAssertion::Send::parameter}, {"bearer", OAuthAssertion::Send::bearer}},
        out.send, mistakes_);
    in.finish();
    return out;
  }
  void check_assertion(const Node& at, std::string_view what, const OAuthAssertion& given) {
    const auto secret = [&](const auto& fields) {
      const auto found = fields.find(given.key);
      return found != fields.end() && found->second.secret;
    };
    if (!secret(auth_.fields) && !secret(auth_.app_fields))
      mistakes_.add(at, fmt::format("{}: the key '{}' is not a secret field", what, given.key));
    if (!given.issuer) mistakes_.add(at, fmt::format("{} needs an issuer", what));
    for (const auto* part : {&given.issuer, &given.subject})
      if (*part)
        for (const std::string& name : (*part)->variables())
          if (std::find(known_.begin(), known_.end(), name) == known_.end())
            mistakes_.add(at, unknown("variable", name, known_));
  }

  // --- small values -------------------------------------------------------------------------------------------------
  WhichToken which(const Node* node) {
    return decode_choice<WhichToken>(node,
                                     {{"refresh_token", WhichToken::refresh}, {"access_token", WhichToken::access}},
                                     WhichToken::refresh, mistakes_);
  }
  std::optional<std::chrono::milliseconds> duration(const Node* node) {
    if (!node) return std::nullopt;
    const auto parsed = parse_duration(scalar(*node, mistakes_));
    if (parsed) return *parsed;
    mistakes_.add(*node, parsed.error());
    return std::nullopt;
  }
  std::chrono::seconds seconds(const Node* node, std::chrono::seconds fallback) {
    const auto given = duration(node);
    return given ? std::chrono::duration_cast<std::chrono::seconds>(*given) : fallback;
  }
  void check(const Node& node) {
    if (out_.authorize && auth_.type != "OAUTH2")
      mistakes_.add(node, "authorize belongs to OAUTH2, where a person agrees");
    if (out_.device && auth_.type != "OAUTH2") mistakes_.add(node, "device belongs to OAUTH2, where a person agrees");
    if (out_.exchange && auth_.type != "OAUTH2_CLIENT_CREDENTIALS")
      mistakes_.add(node, "exchange belongs to OAUTH2_CLIENT_CREDENTIALS");
  }

  const Auth& auth_;
  const Names& variables_;
  Mistakes& mistakes_;
  Names known_, plain_, brought_;
  OAuth out_;
};

}  // namespace

std::vector<const Template*> OAuth::endpoints() const {
  std::vector<const Template*> out{&token.url};
  if (authorize) out.push_back(&authorize->url);
  if (refresh.url) out.push_back(&*refresh.url);
  if (revoke) out.push_back(&revoke->url);
  if (introspect) out.push_back(&introspect->url);
  if (device) out.push_back(&device->url);
  return out;
}

ClientAuth decode_client_auth(const Node* token, std::string_view type) {
  const Node* node = token ? token->find("client_auth") : nullptr;
  Mistakes told;
  return decode_choice<ClientAuth>(node, kClientAuth, default_client_auth(type), told);
}

OAuth decode_oauth(MapReader& in, const Node& node, const Auth& auth, const Names& variables, Mistakes& mistakes) {
  return Decoder(auth, variables, mistakes).run(in, node);
}

}  // namespace postern::config
