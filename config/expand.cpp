#include "config/expand.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "config/encoding.hpp"
#include "config/tree.hpp"

namespace postern::config {
namespace {

struct Function {
  std::string_view name;
  std::size_t arity;
};
constexpr std::array<Function, 6> kFunctions{
    {{"base64", 1}, {"base64url", 1}, {"basic", 2}, {"urlencode", 1}, {"lower", 1}, {"hex", 1}}};

void wipe(std::string& text) {
  volatile char* p = text.data();
  for (std::size_t i = 0; i < text.size(); ++i) p[i] = 0;
}

std::string call(std::string_view function, const std::vector<std::string>& arguments) {
  const std::string& first = arguments[0];
  if (function == "base64") return encode_base64(first);
  if (function == "base64url") return encode_base64url(first);
  if (function == "basic") {
    std::string pair;
    pair.reserve(first.size() + 1 + arguments[1].size());
    pair.append(first).append(":").append(arguments[1]);
    std::string out = encode_base64(pair);
    wipe(pair);
    return out;
  }
  if (function == "urlencode") return percent_encode(first);
  if (function == "hex") return encode_hex(first);
  std::string out = first;  // lower
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

bool letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// A cursor over the inside of one ${…}; every failure knows its position.
class Scanner {
 public:
  Scanner(std::string_view text, std::size_t at) : text_(text), at_(at) {}
  std::size_t at() const { return at_; }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void spaces() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  std::string name() {
    const std::size_t from = at_;
    while (at_ < text_.size() && (letter(text_[at_]) || (at_ > from && text_[at_] >= '0' && text_[at_] <= '9'))) ++at_;
    return std::string(text_.substr(from, at_ - from));
  }
  // '"' and what stands between the quotes; nullopt if it is not closed. No escapes: a literal never needs one.
  std::optional<std::string> literal() {
    const std::size_t end = text_.find('"', at_ + 1);
    if (end == std::string_view::npos) return std::nullopt;
    std::string out(text_.substr(at_, end - at_));
    at_ = end + 1;
    return out;
  }
  bool sees(char c) const { return at_ < text_.size() && text_[at_] == c; }
  Error error(std::string message) const { return {"", 0, static_cast<int>(at_) + 1, "", std::move(message)}; }

 private:
  std::string_view text_;
  std::size_t at_;
};

Result<std::vector<std::string>> parse_arguments(Scanner& in) {
  std::vector<std::string> out;
  while (true) {
    in.spaces();
    if (in.sees('"')) {
      auto literal = in.literal();
      if (!literal) return std::unexpected(in.error("a quoted text is not closed"));
      out.push_back(std::move(*literal));
    } else {
      std::string name = in.name();
      if (name.empty()) return std::unexpected(in.error("expected a variable or a quoted text"));
      out.push_back(std::move(name));
    }
    in.spaces();
    if (in.take(')')) return out;
    if (!in.take(',')) return std::unexpected(in.error("expected ',' or ')'"));
  }
}

// The inside of one ${…}, its closing brace included: a variable, or a function and its arguments.
Result<Template::Part> parse_part(Scanner& in) {
  Template::Part part;
  in.spaces();
  const Scanner start = in;
  std::string name = in.name();
  if (name.empty()) return std::unexpected(in.error("expected a name after '${'"));
  if (in.take('(')) {
    const auto* known = std::find_if(kFunctions.begin(), kFunctions.end(), [&](auto f) { return f.name == name; });
    if (known == kFunctions.end()) {
      std::vector<std::string> names;
      for (const auto& f : kFunctions) names.emplace_back(f.name);
      return std::unexpected(start.error(unknown("function", name, names)));
    }
    auto arguments = parse_arguments(in);
    if (!arguments) return std::unexpected(arguments.error());
    if (arguments->size() != known->arity)
      return std::unexpected(start.error(fmt::format("{} takes {} argument{}, not {}", name, known->arity,
                                                     known->arity == 1 ? "" : "s", arguments->size())));
    part.function = std::move(name);
    part.arguments = std::move(*arguments);
  } else {
    part.arguments.push_back(std::move(name));
  }
  in.spaces();
  if (!in.take('}')) return std::unexpected(in.error("'${' is not closed by '}'"));
  return part;
}

}  // namespace

Result<Template> Template::parse(std::string_view text) {
  Template out;
  out.text_ = text;
  std::string literal;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '$') {
      literal += text[i++];
      continue;
    }
    if (text.substr(i, 2) == "$$") {
      literal += '$';
      i += 2;
      continue;
    }
    if (text.substr(i, 2) != "${")
      return std::unexpected(Scanner(text, i).error("a stray '$'; write '$$' for a dollar sign"));
    Scanner in(text, i + 2);
    auto part = parse_part(in);
    if (!part) return std::unexpected(part.error());
    i = in.at();
    if (!literal.empty()) out.parts_.push_back({std::exchange(literal, {}), {}, {}});
    for (const std::string& name : part->arguments)
      if (!name.starts_with('"') &&
          std::find(out.variables_.begin(), out.variables_.end(), name) == out.variables_.end())
        out.variables_.push_back(name);
    out.parts_.push_back(std::move(*part));
  }
  if (!literal.empty()) out.parts_.push_back({std::move(literal), {}, {}});
  return out;
}

std::optional<std::string> Template::expand(
    const std::function<std::optional<std::string_view>(std::string_view)>& lookup) const {
  // Pieces first, so that the result grows once and leaves no partial copy of a secret in freed memory.
  std::vector<std::string> pieces;
  std::size_t size = 0;
  bool known = true;
  for (const Part& part : parts_) {
    pieces.push_back(part.literal);
    if (!part.arguments.empty()) {
      std::vector<std::string> values;
      for (const std::string& argument : part.arguments) {
        const auto found =
            argument.starts_with('"') ? std::optional(std::string_view(argument).substr(1)) : lookup(argument);
        known = known && found.has_value();
        values.emplace_back(found.value_or(""));
      }
      if (known) pieces.back() = part.function.empty() ? values[0] : call(part.function, values);
      for (std::string& value : values) wipe(value);
    }
    size += pieces.back().size();
    if (!known) break;
  }
  std::string out;
  out.reserve(size);
  for (std::string& piece : pieces) {
    out += piece;
    wipe(piece);
  }
  if (!known) {
    wipe(out);
    return std::nullopt;
  }
  return out;
}

}  // namespace postern::config
