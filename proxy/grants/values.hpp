#pragma once
// What the templates of a catalog entry read: the variables of a connection's config, the fields of its value, and
// those of its auth config, by name.
//
// Thread safety: const methods from any thread. Ownership: owns its values; secret ones are wiped. Absence: a name that
// was never set is missing (an error to use); one that was set empty is an optional field without a value, and what is
// made of it alone is left out.
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "config/expand.hpp"
#include "vault/secret.hpp"

namespace postern::grants {

class Values {
 public:
  void set(std::string name, vault::Secret value);           // of a secret field
  void set_plain(std::string name, std::string_view value);  // of one that may be shown
  const vault::Secret* find(std::string_view name) const;    // nullptr: missing
  std::string_view text(std::string_view name) const;        // "": missing or empty
  // The template with every variable replaced; nullopt: one is missing.
  std::optional<vault::Secret> expand(const config::Template& text) const;
  // Some secret value of four bytes or more stands in this text: it must not be shown.
  bool held_by(std::string_view text) const;

 private:
  struct Entry {
    vault::Secret value;
    bool secret = true;
  };
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace postern::grants
