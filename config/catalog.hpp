#pragma once
// The provider catalog: shipped entries, parsed when first needed, and those of `catalog:` folders, parsed at start.
//
// Thread safety: const methods from any thread (lazy parsing is internally synchronized). Ownership: providers live as
// long as the catalog and are shared. A second entry with an existing id is a start error.
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/provider.hpp"

namespace postern::config {

class Catalog {
 public:
  static Result<std::shared_ptr<const Catalog>> load(const std::vector<std::filesystem::path>& folders);
  virtual ~Catalog() = default;
  // nullptr: no such provider (a shipped entry that does not parse is a bug the tests exclude).
  virtual std::shared_ptr<const Provider> find(std::string_view id) const = 0;
  virtual std::vector<std::string> ids() const = 0;  // sorted
  // The entries of `catalog:` folders, each with its content in one normal form: equal texts, equal entries.
  virtual const std::map<std::string, std::string>& own() const = 0;
};

// A catalog and, beside its own, entries that an administrator imported and enabled. One that does not parse, or whose
// id the catalog has already, is left out and said: the files of the operator win.
struct ImportedEntry {
  std::string id, yaml;
};
struct WithImports {
  std::shared_ptr<const Catalog> catalog;
  std::vector<Error> left_out;
  bool collides = false;  // one of them is left out for its id
};
WithImports with_imports(std::shared_ptr<const Catalog> catalog, const std::vector<ImportedEntry>& entries);
// Where an entry comes from: "SHIPPED", "FOLDER", "IMPORTED".
std::string_view origin_of(const Provider& provider);

// The ids of entries of folders that differ between two loads, sorted.
struct CatalogChanges {
  std::vector<std::string> added, removed, changed;
};
CatalogChanges compare_catalogs(const Catalog& before, const Catalog& after);

// One file, strictly; errors carry file:line:column.
Result<Provider> parse_provider(std::string_view yaml, std::string_view file_name);

// `postern providers lint FILE…`: every mistake of every file, warnings included: the strict parse, the id is the
// file's name, docs and title are there, every host pattern holds, every field and variable is used. `extends` looks
// beside the file first, then among the shipped entries. Empty: all is well.
std::vector<Error> lint_providers(const std::vector<std::filesystem::path>& paths);
// The same for a text; `file` names it ("shipped:stripe.yaml"), `siblings` may be empty.
std::vector<Error> lint_provider(std::string_view yaml, const std::string& file, const std::filesystem::path& siblings);

// What a connection's `value` and `config` become under a provider: checked fields, frozen destinations, ready rules.
struct ConnectionInput {
  std::string type;                          // as sent; may be empty if `auth` names it
  std::string auth;                          // may be empty: the only entry with that type
  std::map<std::string, std::string> value;  // secrets; the caller wipes
  std::string config_json;                   // "{}" when absent
};
struct Plan {
  std::string auth;  // the entry chosen
  std::string type;
  std::string config_json;                // normalized: defaults filled
  std::vector<HostPattern> destinations;  // exact hosts, no template, no wildcard
  std::string base_url;                   // expanded; for the generic provider https://<first host>
  std::vector<InjectRule> inject;
  std::string scheme;                            // what signs, after the rules; empty: nothing does
  std::map<std::string, std::string> sign;       // what it is told
  std::map<std::string, std::string> sign_with;  // Sign::with
  // What every credential of this entry has: fields of `value`, or the signer's names that a grant brings.
  std::vector<std::string> required;
  // The non-secret ones, for templates: config's variables, and what an optional field of `value` is when it is absent.
  // A template's lookup asks the credential's values first, then these.
  std::map<std::string, std::string> variables;
};
// All mistakes at once, each with its JSON pointer (/value/apiKey, /config/hosts/0). A value with CR, LF, NUL or other
// CTL that would land in a header, cookie or path is refused here. `values_given` false: value is not checked (a
// rename).
std::expected<Plan, std::vector<Error>> plan_connection(const Provider& provider, const ConnectionInput& input,
                                                        bool values_given = true);
// The same for an auth config of an OAuth type: `value` holds the entry's app_fields, `config_json` those variables
// that all of its connections share. Of the plan only auth, type and config_json mean something.
std::expected<Plan, std::vector<Error>> plan_app(const Provider& provider, const ConnectionInput& input,
                                                 bool values_given = true);
// Same plan for a stored connection: nothing is re-checked but the config must still parse.
Result<Plan> plan_stored(const Provider& provider, std::string_view auth, std::string_view config_json);
// What lies in both: a stored secret's destinations under a catalog entry that has changed since. Never more than
// either.
std::vector<HostPattern> destinations_in_both(const std::vector<HostPattern>& one,
                                              const std::vector<HostPattern>& other);
// Every destination of `narrow` is inside one of `wide`.
bool destinations_within(const std::vector<HostPattern>& narrow, const std::vector<HostPattern>& wide);

}  // namespace postern::config
