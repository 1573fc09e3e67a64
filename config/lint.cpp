// `postern providers lint`: the strict parse, and what a reviewer would ask for next. Every warning is an error.
#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "config/catalog.hpp"
#include "config/decode.hpp"

namespace postern::config {
namespace {

const Node& place_of(const Node& tree, std::string_view key) {
  const Node* node = tree.find(key);
  return node ? *node : tree;
}

bool used(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Every field that a caller is asked for is used by a rule: one that is not was renamed on one side only.
void lint_auth(const Node& tree, const Auth& auth, Names& all, Mistakes& mistakes) {
  Names names;
  for (const InjectRule& rule : auth.inject)
    for (const std::string& name : rule.value.variables()) names.push_back(name);
  if (auth.sign)
    for (const auto& [key, text] : auth.sign->options)
      for (const std::string& name : text.variables()) names.push_back(name);
  all.insert(all.end(), names.begin(), names.end());
  const Node* entry = place_of(tree, "auth").find(auth.name);
  const Node& at = entry ? *entry : tree;
  // The generic provider's rules come with the connection; a grant and a signer use their fields themselves.
  if (!is_static_type(auth.type) || auth.sign || auth.inject.empty()) return;
  for (const auto& [name, spec] : auth.fields)
    if (!used(names, name)) mistakes.add(place_of(at, "fields"), fmt::format("no rule uses the field '{}'", name));
}

void add_variables(const Texts& texts, Names& names) {
  for (const auto& [name, text] : texts)
    for (const std::string& variable : text.variables()) names.push_back(variable);
}

// What a person agrees to starts somewhere, and every variable that an app or a config is asked for is used.
void lint_oauth(const Node& tree, const Auth& auth, Names& names, Mistakes& mistakes) {
  const OAuth& oauth = *auth.oauth;
  const Node* entry = place_of(tree, "auth").find(auth.name);
  const Node& at = entry ? *entry : tree;
  if (auth.type == "OAUTH2" && !oauth.authorize && !oauth.device)
    mistakes.add(at, "an OAUTH2 entry needs authorize or device: where a person agrees");
  Names used_here;
  for (const Template* url : oauth.endpoints())
    for (const std::string& variable : url->variables()) used_here.push_back(variable);
  for (const OAuthCall* call :
       {static_cast<const OAuthCall*>(&oauth.token),
        oauth.revoke ? static_cast<const OAuthCall*>(&*oauth.revoke) : nullptr,
        oauth.introspect ? &*oauth.introspect : nullptr, oauth.device ? &*oauth.device : nullptr})
    if (call) {
      add_variables(call->params, used_here);
      add_variables(call->headers, used_here);
      if (call->sign) add_variables(call->sign->options, used_here);
    }
  if (oauth.authorize) add_variables(oauth.authorize->params, used_here);
  add_variables(oauth.refresh.params, used_here);
  add_variables(oauth.refresh.headers, used_here);
  for (const OAuthAssertion* signer : {oauth.assertion ? &*oauth.assertion : nullptr, &oauth.client_assertion})
    if (signer) {
      used_here.push_back(signer->key);
      add_variables(signer->claims, used_here);
      for (const auto* part : {&signer->issuer, &signer->subject, &signer->audience, &signer->key_id})
        if (*part)
          for (const std::string& variable : (*part)->variables()) used_here.push_back(variable);
    }
  if (oauth.exchange)
    for (const Template* text :
         {&oauth.exchange->subject_token, oauth.exchange->actor_token ? &*oauth.exchange->actor_token : nullptr})
      if (text)
        for (const std::string& variable : text->variables()) used_here.push_back(variable);
  names.insert(names.end(), used_here.begin(), used_here.end());
  for (const char* name : {"clientId", "clientSecret"}) used_here.emplace_back(name);  // client_auth uses them
  for (const auto& [name, spec] : auth.app_fields)
    if (!used(used_here, name) && !used(names, name))
      mistakes.add(place_of(at, "app_fields"), fmt::format("nothing uses the field '{}'", name));
  for (const std::string& scope : oauth.scopes.defaults)
    if (!oauth.scopes.available.empty() && !used(oauth.scopes.available, scope))
      mistakes.add(place_of(at, "scopes"),
                   fmt::format("the default scope '{}' is not among the available ones", scope));
}

Names url_variables(std::string_view text) {
  const auto parsed = Template::parse(text);
  return parsed ? parsed->variables() : Names{};
}

void lint_entry(const Node& tree, const Provider& provider, const std::string& stem, Mistakes& mistakes) {
  if (provider.id != stem)
    mistakes.add(place_of(tree, "id"), fmt::format("the id '{}' is not the file's name, '{}'", provider.id, stem));
  // What we ship says what it is and where it was read; an entry of your own need not (DESIGN section 11).
  const bool shipped = provider.source.starts_with("shipped:");
  if (shipped && !tree.find("title")) mistakes.add(tree, "a title is missing");
  if (shipped && !provider.generic && !provider.docs.starts_with("https://"))
    mistakes.add(place_of(tree, "docs"),
                 "docs must name the provider's own page (https://…) this entry was written from");
  if (provider.verify && provider.base_url.empty())
    mistakes.add(place_of(tree, "verify"), "verify is a path on base_url, which is missing");
  Names names = url_variables(provider.base_url);
  for (const HostPattern& host : provider.hosts)
    for (const std::string& text : {host.host, host.path_prefix})
      for (const std::string& name : url_variables(text)) names.push_back(name);
  for (const auto& [name, auth] : provider.auth) {
    lint_auth(tree, auth, names, mistakes);
    if (auth.oauth) lint_oauth(tree, auth, names, mistakes);
  }
  for (const auto& [name, spec] : provider.fields)
    if (!used(names, name)) mistakes.add(place_of(tree, "fields"), fmt::format("nothing uses the variable '{}'", name));
}

}  // namespace

std::vector<Error> lint_provider(std::string_view yaml, const std::string& file,
                                 const std::filesystem::path& siblings) {
  auto tree = parse_yaml(yaml, file);
  if (!tree) return {tree.error()};
  const FindBase find_base = [&](const std::string& id) -> std::optional<Result<Node>> {
    const std::filesystem::path path = siblings / (id + ".yaml");
    std::error_code failed;
    if (!siblings.empty() && id.find('/') == id.npos && std::filesystem::exists(path, failed))
      return parse_yaml_file(path.string());
    return shipped_tree(id);
  };
  auto whole = with_bases(std::move(*tree), find_base);
  if (!whole) return {whole.error()};
  const auto provider = decode_provider(*whole, file);
  if (!provider) return provider.error();
  Mistakes mistakes;
  const std::string name = file.substr(file.rfind(':') == file.npos ? 0 : file.rfind(':') + 1);
  const std::filesystem::path path(name);
  lint_entry(*whole, *provider, path.stem().string(), mistakes);
  if (path.extension() != ".yaml") mistakes.add(Error{file, 0, 0, "", "a catalog entry is named <id>.yaml"});
  return mistakes.take();
}

std::vector<Error> lint_providers(const std::vector<std::filesystem::path>& paths) {
  std::vector<Error> out;
  for (const std::filesystem::path& path : paths) {
    auto content = read_document(path.string());
    if (!content) {
      out.push_back(content.error());
      continue;
    }
    for (Error& error : lint_provider(*content, path.string(), path.parent_path())) out.push_back(std::move(error));
  }
  return out;
}

}  // namespace postern::config
