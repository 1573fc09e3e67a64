#pragma once
// What tests of signers share: a recipe from texts, a request, and its outcome as text.
#include <openssl/evp.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proxy/inject/injection.hpp"

namespace postern::inject {

using Texts = std::map<std::string, std::string>;

inline Recipe recipe_of(Texts options, const Texts& values, std::string placeholder = {}) {
  Recipe recipe;
  recipe.options = std::move(options);
  for (const auto& [name, value] : values) recipe.values.emplace(name, vault::Secret(value));
  recipe.placeholder = std::move(placeholder);
  return recipe;
}

inline std::unique_ptr<Injection> make(std::string_view kind, Texts options, const Texts& values,
                                       std::string placeholder = {}) {
  auto made = find_injection(kind)->make(recipe_of(std::move(options), values, std::move(placeholder)));
  return made ? std::move(*made) : nullptr;
}

// Why it cannot be made; empty if it can.
inline std::string refusal(std::string_view kind, Texts options, const Texts& values) {
  auto made = find_injection(kind)->make(recipe_of(std::move(options), values));
  return made ? std::string() : made.error();
}

// As long as it lives OpenSSL finds no algorithm: a FIPS provider without MD5, and more so.
struct NoAlgorithms {
  NoAlgorithms() { EVP_set_default_properties(nullptr, "provider=nobody"); }
  ~NoAlgorithms() { EVP_set_default_properties(nullptr, ""); }
  NoAlgorithms(const NoAlgorithms&) = delete;
  NoAlgorithms& operator=(const NoAlgorithms&) = delete;
};

// Byte by byte, as a body that was kept elsewhere comes in pieces; it may break off.
class Pieces final : public Content {
 public:
  explicit Pieces(std::string bytes, bool whole = true) : bytes_(std::move(bytes)), whole_(whole) {}
  std::uint64_t size() const override { return bytes_.size(); }
  bool each(wire::FunctionRef<void(std::string_view)> take) const override {
    for (const char& c : bytes_) take({&c, 1});
    return whole_;
  }

 private:
  std::string bytes_;
  bool whole_;
};

// "Name: value" and "?name=value", a line each; or "pointer: message" of an error.
inline std::string outcome(const Injection& injection, const Inputs& in) {
  Changes changes;
  const auto applied = injection.apply(in, changes);
  std::string out;
  for (const NameValue& field : changes.headers) out.append(field.name).append(": ").append(field.value).append("\n");
  for (const NameValue& p : changes.query) out.append("?").append(p.name).append("=").append(p.value).append("\n");
  return applied ? out : applied.error().pointer + ": " + applied.error().message + out;
}

}  // namespace postern::inject
