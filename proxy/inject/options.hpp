#pragma once
// What signers are told (Recipe::options, Recipe::values), read one key at a time; the first mistake is kept, as one
// sentence for Make's error. Not thread safe: it lives while an injection is made.
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "proxy/inject/injection.hpp"

namespace postern::inject {

class Options {
 public:
  explicit Options(const Recipe& recipe) : recipe_(recipe) {}

  // The option, or `fallback` where it is absent.
  std::string text(std::string_view key, std::string_view fallback = {}) const;
  // One of the words; its index is the enumerator. The first one where the option is absent.
  template <class Enum>
  Enum choice(std::string_view key, std::span<const std::string_view> words, Enum fallback = Enum{}) {
    return static_cast<Enum>(index_of(key, words, static_cast<std::size_t>(fallback)));
  }
  bool flag(std::string_view key);  // "yes" or "no"; absent is no
  // The name of a header that a signature may be written to; empty where it is absent.
  std::string header(std::string_view key, std::string_view fallback = {});

  // A field of the credential; "" where it is absent, which is a mistake of a `needed` one.
  std::string_view value(std::string_view name) const;
  std::string_view needed(std::string_view name);

  void refuse(std::string what);
  const std::optional<std::string>& mistake() const { return mistake_; }

 private:
  std::size_t index_of(std::string_view key, std::span<const std::string_view> words, std::size_t fallback);

  const Recipe& recipe_;
  std::optional<std::string> mistake_;
};

}  // namespace postern::inject
