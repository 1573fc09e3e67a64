#include "proxy/grants/token_request.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "config/encoding.hpp"
#include "config/hosts.hpp"
#include "config/sign.hpp"
#include "proxy/grants/assertion.hpp"
#include "proxy/grants/json_write.hpp"

namespace postern::grants {
namespace {

using vault::Secret;

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

void put(std::vector<Parameter>& list, std::string name, Secret value, bool folds = false) {
  std::erase_if(list, [&](const Parameter& p) { return folds ? same_name(p.name, name) : p.name == name; });
  if (!value.empty()) list.push_back({std::move(name), std::move(value)});
}

// The entry's texts, each with its variables replaced; the first that lacks one is the error.
Built<void> put_texts(std::vector<Parameter>& list, const config::Texts& texts, const Values& values, bool folds) {
  for (const auto& [name, text] : texts) {
    auto value = values.expand(text);
    if (!value) {
      for (const std::string& variable : text.variables())
        if (values.find(variable) == nullptr) return missing_value(variable);
      return missing_value(name);
    }
    put(list, name, std::move(*value), folds);
  }
  return {};
}

Secret basic(std::string user, std::string password) {
  std::string pair;
  pair.reserve(user.size() + password.size() + 1);
  pair.append(user).append(":").append(password);
  std::string code = config::encode_base64(pair);
  Secret value = Secret::make(6 + code.size(), [&](char* data) {
    std::copy_n("Basic ", 6, data);
    std::copy(code.begin(), code.end(), data + 6);
  });
  for (std::string* used : {&user, &password, &pair, &code}) vault::wipe(*used);
  return value;
}

// RFC 6749 section 2.3 and RFC 7521 section 4.2.
Built<void> authenticate(const Asking& asking, const config::OAuthCall& call, std::vector<Parameter>& params,
                         std::vector<Parameter>& headers) {
  using config::ClientAuth;
  const config::OAuthToken& token = asking.oauth.token;
  const Values& values = asking.values;
  if (call.client_auth == ClientAuth::none) {
    if (const Secret* id = values.find("clientId")) put(params, token.client_id_param, id->clone());
    return {};
  }
  const auto secret = call.client_auth == ClientAuth::private_key_jwt ? Built<std::string_view>("")
                                                                      : needed_value(values, "clientSecret");
  if (!secret) return std::unexpected(secret.error());
  if (call.client_auth == ClientAuth::secret_as_user) {
    put(headers, "Authorization", basic(std::string(*secret), ""), true);
    return {};
  }
  const auto id = needed_value(values, "clientId");
  if (!id) return std::unexpected(id.error());
  switch (call.client_auth) {
    case ClientAuth::basic:
      put(headers, "Authorization", basic(config::form_encode(*id), config::form_encode(*secret)), true);
      break;
    case ClientAuth::basic_raw:
      if (id->find(':') != id->npos) return unfit_value("the client id holds a colon, which ends a user name");
      put(headers, "Authorization", basic(std::string(*id), std::string(*secret)), true);
      break;
    case ClientAuth::body:
      put(params, token.client_id_param, Secret(*id));
      put(params, token.client_secret_param, Secret(*secret));
      break;
    case ClientAuth::private_key_jwt: {
      auto signed_by = make_assertion(asking.oauth.client_assertion, asking);
      if (!signed_by) return std::unexpected(signed_by.error());
      put(params, token.client_id_param, Secret(*id));
      put(params, "client_assertion_type", Secret("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
      put(params, "client_assertion", std::move(*signed_by));
      break;
    }
    case ClientAuth::secret_as_user:
    case ClientAuth::none:
      break;
  }
  return {};
}

Secret encode_pairs(const std::vector<Parameter>& params, bool query) {
  std::string out;
  std::size_t most = 0;
  for (const Parameter& p : params) most += 3 * (p.name.size() + p.value.size()) + 2;
  out.reserve(most);
  for (const Parameter& p : params) {
    // %20 is a space to every reader of a query; '+' is one only to readers of forms.
    std::string value = query ? config::percent_encode(p.value.expose()) : config::form_encode(p.value.expose());
    if (!out.empty()) out += '&';
    out += query ? config::percent_encode(p.name) : config::form_encode(p.name);
    out += '=';
    out += value;
    vault::wipe(value);
  }
  return Secret::take(out);
}

void encode(config::Encoding encoding, const std::vector<Parameter>& params, TokenRequest& out) {
  switch (encoding) {
    case config::Encoding::query:
      out.query = encode_pairs(params, true);
      return;
    case config::Encoding::form:
      put(out.headers, "Content-Type", Secret("application/x-www-form-urlencoded"), true);
      out.body = encode_pairs(params, false);
      return;
    case config::Encoding::json: {
      std::vector<JsonMember> members;
      for (const Parameter& p : params) members.push_back({p.name, p.value.expose()});
      std::string text = write_json(members);
      put(out.headers, "Content-Type", Secret("application/json"), true);
      out.body = Secret::take(text);
      return;
    }
  }
}

bool header_safe(std::string_view value) {
  return std::all_of(value.begin(), value.end(),
                     [](char c) { return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f); }) &&
         (value.empty() || (value.front() != ' ' && value.back() != ' '));
}

bool label(std::string_view text, bool dots) {
  return !text.empty() && text.size() <= 253 && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || (dots && c == '.');
  });
}

// The signature itself is made when the request is sent, of all that it then is.
void sign(const config::Sign& sign, const Values& values, TokenRequest& out) {
  std::map<std::string, std::string> variables;
  for (const auto& [name, text] : sign.options)
    for (const std::string& variable : text.variables()) variables.emplace(variable, values.text(variable));
  out.scheme = sign.scheme;
  out.sign = config::expand_sign(sign, variables);
  for (const auto& [name, source] : sign.with)
    if (const Secret* value = values.find(source); value != nullptr && !value->empty())
      out.values.emplace(name, value->clone());
}

}  // namespace

std::unexpected<BuildError> missing_value(std::string_view name) {
  return std::unexpected(BuildError{BuildError::Kind::missing, fmt::format("the value '{}' is missing", name)});
}
std::unexpected<BuildError> unfit_value(std::string text) {
  return std::unexpected(BuildError{BuildError::Kind::unfit, std::move(text)});
}
Built<std::string_view> needed_value(const Values& values, std::string_view name) {
  const std::string_view text = values.text(name);
  if (text.empty()) return missing_value(name);
  return text;
}

std::string TokenRequest::describe() const {
  return fmt::format("{} https://{}{}{}", method, host, port == 443 ? "" : fmt::format(":{}", port), path);
}

Built<Place> expand_url(const config::Template& url, const Values& values) {
  constexpr std::string_view scheme = "https://";
  std::string text, authority;
  bool in_host = true;
  for (std::size_t i = 0; i < url.parts().size(); ++i) {
    const auto& part = url.parts()[i];
    std::string_view literal = part.literal;
    if (i == 0 && literal.starts_with(scheme)) literal.remove_prefix(scheme.size());
    if (part.arguments.empty()) {
      const std::size_t slash = in_host ? literal.find('/') : 0;
      authority += in_host ? literal.substr(0, slash) : "";
      if (slash != literal.npos) text += literal.substr(slash);
      in_host = in_host && slash == literal.npos;
      continue;
    }
    const std::string& name = part.arguments[0];
    const auto value = needed_value(values, name);
    if (!value) return std::unexpected(value.error());
    // A host that ends in its variable is whole in there; config has bound it to the entry's hosts.
    const bool last = i + 1 == url.parts().size() || url.parts()[i + 1].literal.starts_with('/');
    if (in_host && !label(*value, last)) return unfit_value(fmt::format("the value '{}' cannot stand in a host", name));
    if (!in_host && (*value == "." || *value == ".."))
      return unfit_value(fmt::format("the value '{}' cannot stand in a path", name));
    (in_host ? authority : text) += in_host ? std::string(*value) : config::percent_encode(*value);
  }
  const auto host = config::parse_host_port(authority, false);
  if (!host) return unfit_value("the host of the URL: " + host.error());
  return Place{host->host, text.empty() ? "/" : text, host->has_port ? host->port : std::uint16_t{443}};
}

Built<TokenRequest> build_request(const Asking& asking, Call call) {
  TokenRequest out;
  auto place = expand_url(call.url != nullptr ? *call.url : call.call.url, asking.values);
  if (!place) return std::unexpected(place.error());
  out.method = call.call.method;
  out.host = std::move(place->host);
  out.port = place->port;
  out.path = std::move(place->path);
  put(out.headers, "Accept", Secret("application/json"), true);
  put(out.headers, "User-Agent", Secret("postern/" POSTERN_VERSION), true);
  std::vector<Parameter> params;
  for (Parameter& own : call.own) put(params, std::move(own.name), std::move(own.value));
  if (!call.bearer.empty()) {
    put(out.headers, "Authorization",
        Secret::make(7 + call.bearer.size(),
                     [&](char* data) {
                       std::copy_n("Bearer ", 7, data);
                       std::copy_n(call.bearer.expose().data(), call.bearer.size(), data + 7);
                     }),
        true);
  } else if (const auto done = authenticate(asking, call.call, params, out.headers); !done) {
    return std::unexpected(done.error());
  }
  for (const config::Texts* texts : {&call.call.params, call.params})
    if (texts != nullptr)
      if (const auto done = put_texts(params, *texts, asking.values, false); !done)
        return std::unexpected(done.error());
  encode(call.call.encoding, params, out);
  for (const config::Texts* texts : {&call.call.headers, call.headers})
    if (texts != nullptr)
      if (const auto done = put_texts(out.headers, *texts, asking.values, true); !done)
        return std::unexpected(done.error());
  for (const Parameter& header : out.headers)
    if (!header_safe(header.value.expose()))
      return unfit_value(
          fmt::format("the value of the header {} holds a line break or another control character", header.name));
  if (call.call.sign) sign(*call.call.sign, asking.values, out);
  return out;
}

}  // namespace postern::grants
