#pragma once
// What a person must fill in to connect to a provider: the catalog entry as the verbs see it, plain data.
#include <string>
#include <vector>

namespace postern::cli {

struct FieldForm {
  std::string name, title, example, default_value;
  bool secret = false;
  bool required = true;
};

struct AuthForm {
  std::string name, type, title;
  std::vector<FieldForm> fields;  // of `value`
};

struct ProviderForm {
  std::string id, title, docs, base_url, source;
  std::string origin;   // "SHIPPED", "FOLDER", "IMPORTED"
  bool enabled = true;  // false: an imported draft
  std::vector<std::string> hosts;
  std::vector<FieldForm> variables;  // of `config`
  std::vector<AuthForm> auth;
  std::string verify_path;  // a path that a GET may try; empty: none
};

// `providers import` as it was asked for.
struct ProviderImport {
  std::string source;  // a file, an https URL, "-"
  std::string file;    // what it is called in errors and in the entry
  std::string id, base_url, auth, discovery;
  std::vector<std::string> skip, confirm;
  bool dry_run = false;
};

}  // namespace postern::cli
