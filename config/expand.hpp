#pragma once
// ${…} templates of the catalog: "Bearer ${apiKey}", "Basic ${basic(username, password)}", "${base64(token)}".
// Parsed once, strict: an unknown variable or function, an unclosed brace or a stray '$' is an error with its position
// ("$$" is a dollar sign); an Error here has the 1-based character as its column. The caller knows which variables
// exist. Functions: base64(v), base64url(v), basic(user, password), urlencode(v), lower(v), hex(v); an argument is a
// variable or a "quoted literal". Pure, thread safe.
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace postern::config {

class Template {
 public:
  static Result<Template> parse(std::string_view text);
  // The names of the variables used, each once.
  const std::vector<std::string>& variables() const { return variables_; }
  // The text with every variable replaced. `lookup` answers nullopt for an unknown one, which is the result then.
  // The caller wipes what is secret in it.
  std::optional<std::string> expand(
      const std::function<std::optional<std::string_view>(std::string_view)>& lookup) const;
  const std::string& text() const { return text_; }

  struct Part {
    std::string literal;                 // used when function and arguments are empty
    std::string function;                // empty: the variable itself
    std::vector<std::string> arguments;  // variable name, or '"' + literal
  };
  // What stands where, for checks that depend on the place of a variable.
  const std::vector<Part>& parts() const { return parts_; }

 private:
  std::string text_;
  std::vector<Part> parts_;
  std::vector<std::string> variables_;
};

}  // namespace postern::config
