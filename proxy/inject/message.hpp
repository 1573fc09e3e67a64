#pragma once
// Texts that a signer fills in for each request: "${timestamp}.${method}${target}.${body}", "HMAC
// ${keyId}:${signature}".
// `${name}` is a variable; `${basic(user, password)}` and `${lower(text)}` are functions, whose arguments are variables
// or "quoted texts"; `$$` is a dollar sign. What the names mean is told when it is written. Thread safety: const after
// parsing. Pure.
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/wire/function_ref.hpp"

namespace postern::inject {

class Message {
 public:
  // The error is one sentence about the text.
  static std::expected<Message, std::string> parse(std::string_view text);

  enum class Function : std::uint8_t { none, basic, lower };
  struct Argument {
    std::string text;
    bool quoted = false;  // a text, else the name of a variable
  };
  struct Part {
    Function function = Function::none;
    std::vector<Argument> arguments;  // of `none` one
  };
  const std::vector<Part>& parts() const { return parts_; }
  // Each name of a variable, as often as it is used.
  std::vector<std::string_view> variables() const;
  bool uses(std::string_view variable) const;

  using Lookup = wire::FunctionRef<std::string_view(std::string_view name)>;
  // Writes the parts one after the other; `variable` answers what stands for a name.
  void write(Lookup variable, wire::FunctionRef<void(const Part&, std::string_view)> out) const;
  std::string text(Lookup variable) const;

 private:
  std::vector<Part> parts_;
};

}  // namespace postern::inject
