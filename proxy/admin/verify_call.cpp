#include "proxy/admin/verify_call.hpp"

#include <algorithm>

#include "config/encoding.hpp"
#include "config/hosts.hpp"
#include "proxy/grants/answer_tree.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;

constexpr std::size_t kShortest = 4;      // what is shorter is part of any text
constexpr std::size_t kMostShown = 2048;  // bytes of a body
constexpr std::size_t kMostAccount = 200;
constexpr const char* kHidden = "***";

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
    text.replace(at, what.size(), with);
}

// The length of the UTF-8 sequence at `at`; 0: there is none (RFC 3629, without its finer rules).
std::size_t sequence(std::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const std::size_t size = lead < 0x80                   ? 1
                           : lead >= 0xC2 && lead < 0xE0 ? 2
                           : lead >= 0xE0 && lead < 0xF0 ? 3
                           : lead >= 0xF0 && lead < 0xF5 ? 4
                                                         : 0;
  if (size == 0 || at + size > text.size()) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((static_cast<unsigned char>(text[at + i]) & 0xC0) != 0x80) return 0;
  return size;
}

// What JSON can carry: anything that is no UTF-8 becomes '?'.
std::string as_text(std::string_view bytes) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t size = sequence(bytes, at);
    if (size == 0)
      out += '?';
    else
      out += bytes.substr(at, size);
    at += std::max<std::size_t>(size, 1);
  }
  return out;
}

// The rule as a reader may see it: its own words stay, every variable is hidden.
std::string hidden(const config::Template& text) {
  std::string out;
  for (const auto& part : text.parts()) out += part.arguments.empty() ? part.literal : kHidden;
  return out;
}

bool same_name(std::string_view a, std::string_view b) {
  return lower(a) == lower(b);
}

// One request under construction, in two versions: what goes out and what is shown.
class Builder {
 public:
  Builder(const Material& material, const config::Verify& verify) : material_(material) {
    out_.verify = verify;
    out_.request.method = verify.method;
    put("Accept", vault::Secret("application/json"), "application/json");
    put("User-Agent", vault::Secret("postern/" POSTERN_VERSION), "postern/" POSTERN_VERSION);
    for (const auto& [name, value] : verify.headers) put(name, vault::Secret(value), value);
  }

  bool locate() {
    const auto base = config::Template::parse(material_.plan.base_url);
    const auto place = base ? grants::expand_url(*base, material_.values) : grants::Built<grants::Place>{};
    const auto path = config::Template::parse(out_.verify.path);
    auto text = path ? material_.values.expand(*path) : std::nullopt;
    if (!place || place->host.empty() || !text) return false;
    out_.request.host = place->host;
    out_.request.port = place->port;
    const std::string_view whole = text->expose();
    path_ = std::string(whole.substr(0, whole.find('?')));
    if (path_.size() < whole.size()) query_ = shown_query_ = std::string(whole.substr(path_.size() + 1));
    return true;
  }

  bool inject(const config::InjectRule& rule) {
    auto value = material_.values.expand(rule.value);
    if (!value) return false;
    const std::string shown = hidden(rule.value);
    switch (rule.place) {
      case config::Place::header:
        put(rule.name, std::move(*value), shown);
        break;
      case config::Place::query:
        append(query_, "&", config::percent_encode(rule.name) + '=' + config::percent_encode(value->expose()));
        append(shown_query_, "&", config::percent_encode(rule.name) + '=' + shown);
        break;
      case config::Place::cookie:
        append(cookie_, "; ", rule.name + '=' + std::string(value->expose()));
        append(shown_cookie_, "; ", rule.name + '=' + shown);
        break;
      case config::Place::path:
        prefix_ = std::string(value->expose());
        shown_prefix_ = shown;
        break;
      case config::Place::form:
      case config::Place::json:
        break;  // a GET has no body
    }
    return true;
  }

  VerifyCall finish() {
    if (!cookie_.empty()) put("Cookie", vault::Secret::take(cookie_), shown_cookie_);
    auto& request = out_.request;
    request.path = prefix_ + path_;
    request.query = vault::Secret::take(query_);
    const std::string authority = config::join_host_port(request.host, request.port);
    out_.url = "https://" + (request.port == 443 ? authority.substr(0, authority.rfind(':')) : authority) +
               shown_prefix_ + path_ + (shown_query_.empty() ? "" : "?" + shown_query_);
    return std::move(out_);
  }

  config::HostPattern place() const {
    config::HostPattern out;
    out.host = out_.request.host;
    out.port = out_.request.port;
    out.path_prefix = path_ == "/" ? "" : path_;
    return out;
  }

 private:
  static void append(std::string& list, const char* between, const std::string& item) {
    list += (list.empty() ? "" : between) + item;
  }
  void put(const std::string& name, vault::Secret value, std::string shown) {
    std::erase_if(out_.request.headers, [&](const auto& have) { return same_name(have.name, name); });
    std::erase_if(out_.headers, [&](const auto& have) { return same_name(have.first, name); });
    out_.request.headers.push_back({name, std::move(value)});
    out_.headers.emplace_back(name, std::move(shown));
  }

  const Material& material_;
  VerifyCall out_;
  std::string path_, query_, shown_query_, cookie_, shown_cookie_, prefix_, shown_prefix_;
};

}  // namespace

void Mask::add(std::string_view secret) {
  if (secret.size() < kShortest) return;
  std::string escaped;
  for (const char c : secret)
    escaped += c == '/' ? "\\/" : c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  for (std::string form : {std::string(secret), config::percent_encode(secret), config::form_encode(secret),
                           config::encode_base64(secret), config::encode_base64url(secret), std::move(escaped)})
    forms_.push_back(vault::Secret::take(form));
}

Mask::Mask(const Material& material, const vault::Credential& credential) {
  const auto is_secret = [](const std::map<std::string, config::FieldSpec>& fields, const std::string& name) {
    const auto at = fields.find(name);
    return at == fields.end() || at->second.secret;
  };
  for (const auto& [name, value] : credential.values)
    if (is_secret(material.auth->fields, name)) add(value.expose());
  if (material.app)
    for (const auto& [name, value] : material.app->values)
      if (is_secret(material.auth->app_fields, name)) add(value.expose());
  for (const auto& rule : material.plan.inject)
    if (const auto value = material.values.expand(rule.value)) {
      const std::string_view text = value->expose();
      add(text);
      // `Basic ${basic(user, password)}`: what follows the scheme is the secret.
      if (const auto space = text.rfind(' '); space != std::string_view::npos) add(text.substr(space + 1));
    }
  std::sort(forms_.begin(), forms_.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
}

std::string Mask::apply(std::string text) const {
  for (const auto& form : forms_) replace_all(text, form.expose(), kHidden);
  return text;
}

const config::Verify* verify_of(const Material& material) {
  if (material.auth->verify) return &*material.auth->verify;
  return material.provider->verify ? &*material.provider->verify : nullptr;
}

std::expected<VerifyCall, std::string> verify_call(const Material& material,
                                                   const std::vector<config::HostPattern>& destinations) {
  Builder builder(material, *verify_of(material));
  if (!builder.locate()) return std::unexpected("The entry's `verify` does not come out as a URL with this config.");
  if (!config::destinations_within({builder.place()}, destinations))
    return std::unexpected("The destinations of this connection leave out what the entry would call to test it.");
  for (const auto& rule : material.plan.inject)
    if (!builder.inject(rule)) return std::unexpected("The credential lacks a value that its entry injects.");
  return builder.finish();
}

std::string account_in(const config::Verify& verify, const grants::TokenReply& reply) {
  if (verify.account.empty()) return {};
  const grants::AnswerTree tree(reply, config::Format::detect);
  const auto found = tree.text(verify.account);
  if (!found || found->size() > kMostAccount || !is_printable(found->expose())) return {};
  return as_text(found->expose());
}

json::object shown(const std::string& method, const std::string& url,
                   const std::vector<std::pair<std::string, std::string>>& headers, const grants::Delivery& delivery,
                   const Mask& mask) {
  json::object request, response, out;
  json::object sent;
  for (const auto& [name, value] : headers) sent[name] = value;
  request["method"] = method;
  request["url"] = url;
  request["headers"] = std::move(sent);
  out["request"] = std::move(request);
  if (delivery.fault != net::Fault::none) {
    out["response"] = nullptr;
    return out;
  }
  json::object came;
  for (const auto& [name, value] : delivery.reply.headers) {
    const bool cookie = same_name(name, "set-cookie");
    came[name] = cookie ? std::string(kHidden) : as_text(mask.apply(std::string(value.expose())));
  }
  std::string body = mask.apply(std::string(delivery.reply.body.expose()));
  body.resize(std::min(body.size(), kMostShown));
  response["status"] = delivery.reply.status;
  response["headers"] = std::move(came);
  response["body"] = as_text(body);
  out["response"] = std::move(response);
  return out;
}

}  // namespace postern::admin
