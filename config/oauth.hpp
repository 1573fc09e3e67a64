#pragma once
// What a catalog entry says about obtaining a token (DESIGN section 11): endpoints, how they are asked, how they
// answer. Plain data, immutable after load; the grants read it. `${…}` in a template is a variable of `config`, a field
// of the connection's `value`, or one of `app_fields`.
//
// A path into an answer is a member's name ("access_token"), a JSON pointer ("/authed_user/access_token"),
// "header:NAME" or "cookie:NAME" of the answer's head. Empty: nowhere.
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/expand.hpp"
#include "config/signing.hpp"

namespace postern::config {

using Texts = std::map<std::string, Template>;

enum class Encoding : std::uint8_t { form, json, query };
enum class ClientAuth : std::uint8_t {
  basic,           // RFC 6749 section 2.3.1: id and secret are form-encoded before base64
  basic_raw,       // the same without the encoding, as many providers read it
  body,            // client_id and client_secret among the parameters
  secret_as_user,  // Basic with the secret as user name and no password
  private_key_jwt,
  none  // client_id alone, among the parameters
};
enum class Pkce : std::uint8_t { required, supported, none };
enum class Rotates : std::uint8_t { yes, no, maybe };
enum class WhichToken : std::uint8_t { refresh, access };
enum class Format : std::uint8_t { detect, json, form, text };
enum class TimeUnit : std::uint8_t { detect, seconds, milliseconds, iso };
enum class Algorithm : std::uint8_t { rs256, es256, eddsa };

// One call to an endpoint. Parameters go where `encoding` says; a name that begins with '/' is a pointer into the JSON
// body. An empty text leaves a standard parameter out.
struct OAuthCall {
  Template url;  // https, without query
  std::string method = "POST";
  Encoding encoding = Encoding::form;
  ClientAuth client_auth = ClientAuth::basic;
  Texts params, headers;
  std::optional<Sign> sign;  // with what the connection and its auth config bring; absent: it goes as it is
};

struct OAuthAuthorize {
  Template url;
  Texts params;
  std::string scope_separator = " ", scope_param = "scope";
  Pkce pkce = Pkce::required;
  std::optional<Template> issuer;  // RFC 9207; absent: a returned one must be of the authorize URL's origin
};

struct OAuthToken : OAuthCall {
  std::string client_id_param = "client_id", client_secret_param = "client_secret";
};

struct OAuthRefresh {
  Rotates rotates = Rotates::maybe;
  std::optional<Template> url;  // absent: the token's
  Texts params, headers;        // beside the token's
  WhichToken token = WhichToken::refresh;
  std::string token_param = "refresh_token";
  bool scope = false;                                      // send the scopes again
  std::optional<std::chrono::milliseconds> idle_lifetime;  // the refresh token ends when it is not used for so long
};

// Some value of the answer means a refusal, whatever the status: {at: ok, is: "false"}.
struct OAuthPredicate {
  std::string at;
  std::optional<std::string> is, is_not;  // neither: it is there
};
struct OAuthErrors {
  std::vector<OAuthPredicate> when;
  std::string code = "error", text = "error_description";
  // Codes of this provider beside the standard ones: the grant is dead; the client is wrong; try again later.
  std::vector<std::string> rejected, client, transient;
};

struct OAuthExpiry {
  std::string in, at;  // a lifetime; a point in time
  TimeUnit unit = TimeUnit::detect;
};

struct OAuthAnswer {
  Format format = Format::detect;
  std::string access_token = "access_token", refresh_token = "refresh_token", id_token = "id_token",
              token_type = "token_type", scope = "scope", account;
  std::map<std::string, std::string> more;  // further tokens of the answer, by the variable's name
  OAuthExpiry expires{"expires_in", "expires_at", TimeUnit::detect}, refresh_expires;
  std::optional<std::chrono::milliseconds> default_lifetime;
  OAuthErrors errors;
};

struct OAuthRevoke : OAuthCall {
  std::vector<WhichToken> tokens = {WhichToken::refresh};  // one call each
  std::string token_param = "token";
  std::vector<int> expect = {200, 204};
};

// A signed JWT that stands for a client or for an account (RFC 7523), or that is the login itself (GitHub App).
struct OAuthAssertion {
  enum class Send : std::uint8_t { parameter, bearer };
  Algorithm algorithm = Algorithm::rs256;
  std::string key = "privateKey";                     // the field that holds the PEM or base64 DER key
  std::optional<Template> key_id;                     // header `kid`
  std::optional<Template> issuer, subject, audience;  // an empty text leaves the claim out; audience: the token URL
  Texts claims;                                       // further ones, as strings
  std::chrono::seconds lifetime{300}, backdate{0};
  bool id = true;  // a `jti`
  Send send = Send::parameter;
};

struct OAuthExchange {  // RFC 8693
  Template subject_token;
  std::string subject_token_type = "urn:ietf:params:oauth:token-type:access_token";
  std::optional<Template> actor_token;
  std::string actor_token_type = "urn:ietf:params:oauth:token-type:access_token";
  std::string requested_token_type;
};

struct OAuthScopes {
  std::vector<std::string> defaults, required, available;
};

// Of an auth entry whose type is one of oauth_types().
struct OAuth {
  std::optional<OAuthAuthorize> authorize;
  OAuthToken token;
  OAuthRefresh refresh;
  OAuthAnswer answer;
  std::optional<OAuthRevoke> revoke;
  std::optional<OAuthCall> introspect, device;
  std::optional<OAuthAssertion> assertion;  // of the grant: JWT_BEARER, GITHUB_APP
  OAuthAssertion client_assertion;          // of client_auth private_key_jwt
  std::optional<OAuthExchange> exchange;
  OAuthScopes scopes;
  // The API's 401 means the token where its challenge holds this text, beside RFC 6750's invalid_token; "": nothing
  // more.
  std::string refused_challenge;
  // Every endpoint above: never reachable for callers (DESIGN section 8).
  std::vector<const Template*> endpoints() const;
};

// OAUTH2, OAUTH2_CLIENT_CREDENTIALS, JWT_BEARER, TWO_STEP, GITHUB_APP.
const std::vector<std::string>& oauth_types();

}  // namespace postern::config
