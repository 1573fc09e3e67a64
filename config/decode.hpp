#pragma once
// How a catalog entry's tree becomes a Provider: the parts that provider.cpp, plan.cpp and catalog.cpp share.
//
// Not part of the room's door. Pure, thread safe. Every mistake is collected with its place; a value that was wrong is
// left at its default, so that one pass finds them all.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/provider.hpp"
#include "config/tree.hpp"

namespace postern::config {

using Names = std::vector<std::string>;

// `known` absent: any variable is allowed.
std::optional<Template> decode_template(const Node& node, const Names* known, Mistakes& mistakes);
// A list of inject rules: places, names, templates; never a field that frames or routes; no place twice.
std::vector<InjectRule> decode_rules(const Node& node, const Names* known, Mistakes& mistakes);
// A map of name -> FieldSpec. `config`: variables of the connection's config, which are never secret; otherwise fields
// of `value`, which are secret unless the entry says `secret: false`.
std::map<std::string, FieldSpec> decode_fields(const Node& node, bool config, Mistakes& mistakes);
// One row of `auth:`; `variables` are the names of the entry's `fields`.
Auth decode_auth(std::string name, const Node& node, const Names& variables, bool generic, Mistakes& mistakes);
// The OAuth keys of one row of `auth:`, whose type, fields and app_fields are known by now.
OAuth decode_oauth(MapReader& in, const Node& node, const Auth& auth, const Names& variables, Mistakes& mistakes);
// `client_auth` of a token section that may be absent or wrong: its mistakes are decode_oauth's to tell.
ClientAuth decode_client_auth(const Node* token, std::string_view type);
OAuthAnswer decode_answer(const Node& node, Mistakes& mistakes);
bool is_oauth_type(std::string_view type);
std::optional<std::string> refuse_answer_path(std::string_view path);
Verify decode_verify(const Node& node, const Names& variables, Mistakes& mistakes);
// A list of texts, or one text.
Names decode_names(const Node& node, Mistakes& mistakes);
std::vector<int> decode_statuses(const Node& node, Mistakes& mistakes);
// One of a few words; what is written elsewhere is a mistake and the fallback.
template <class T>
T decode_choice(const Node* node, const std::vector<std::pair<std::string_view, T>>& choices, T fallback,
                Mistakes& mistakes) {
  if (!node) return fallback;
  const std::string text = scalar(*node, mistakes);
  std::string all;
  for (const auto& [word, value] : choices) {
    if (node->is_scalar() && word == text) return value;
    all += (all.empty() ? "" : ", ") + std::string(word);
  }
  if (node->is_scalar()) mistakes.add(*node, "'" + text + "' is not one of " + all);
  return fallback;
}
// One row of `hosts:`, templates allowed when they are over `variables`.
std::optional<HostPattern> decode_host(const Node& node, const Names& variables, Mistakes& mistakes);
// An https URL without query, whose variables are in `known`.
std::string decode_url(const Node& node, const Names& known, Mistakes& mistakes);
std::map<std::string, std::string> decode_text_map(const Node& node, Mistakes& mistakes);
// [A-Za-z_][A-Za-z0-9_]{0,63}
bool is_variable_name(std::string_view name);
// A header field name may be set by a rule: a token, and none that frames, routes or is ours.
std::optional<std::string> refuse_header(std::string_view name);

// The tree of another entry, for `extends:`; nullopt: no such entry.
using FindBase = std::function<std::optional<Result<Node>>(const std::string& id)>;
Result<Node> with_bases(Node tree, const FindBase& find);
std::expected<Provider, std::vector<Error>> decode_provider(const Node& tree, std::string source);
std::optional<Result<Node>> shipped_tree(const std::string& id);

// A host template that ends in a variable has no suffix of its own: its result must match a wildcard of the entry.
bool ends_in_variable(const Template& host);

// nullopt: usable. Patterns are ECMAScript, searched for (not anchored), matched in polynomial time.
std::optional<std::string> pattern_mistake(const std::string& pattern);
inline constexpr std::size_t kMaxPatterned = 1024;  // bytes of a value that a pattern may look at
bool pattern_matches(const std::string& pattern, const std::string& value);

}  // namespace postern::config
