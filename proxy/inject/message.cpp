#include "proxy/inject/message.hpp"

#include <algorithm>
#include <optional>

#include "proxy/inject/encoding.hpp"
#include "proxy/inject/parameters.hpp"
#include "vault/secret.hpp"

namespace postern::inject {
namespace {

struct FunctionName {
  std::string_view name;
  Message::Function function;
  std::size_t arguments;
};
constexpr FunctionName kFunctions[] = {
    {"basic", Message::Function::basic, 2},
    {"lower", Message::Function::lower, 1},
};

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

bool is_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::optional<Message::Argument> read_argument(std::string_view text) {
  text = trimmed(text);
  if (text.size() >= 2 && text.starts_with('"') && text.ends_with('"')) {
    text = text.substr(1, text.size() - 2);
    if (text.find('"') != text.npos) return std::nullopt;
    return Message::Argument{std::string(text), true};
  }
  if (!is_name(text)) return std::nullopt;
  return Message::Argument{std::string(text), false};
}

std::unexpected<std::string> wrong(std::string_view inside, std::string_view why) {
  return std::unexpected("${" + std::string(inside) + "}: " + std::string(why));
}

std::expected<Message::Part, std::string> read_part(std::string_view inside) {
  Message::Part part;
  std::string_view list = inside;
  std::size_t wanted = 1;
  if (const std::size_t open = inside.find('('); open != inside.npos) {
    const auto* const at = std::find_if(std::begin(kFunctions), std::end(kFunctions), [&](const FunctionName& f) {
      return f.name == trimmed(inside.substr(0, open));
    });
    if (at == std::end(kFunctions)) return wrong(inside, "no such function");
    if (!inside.ends_with(')')) return wrong(inside, "the parenthesis is not closed");
    part.function = at->function;
    wanted = at->arguments;
    list = inside.substr(open + 1, inside.size() - open - 2);
  }
  for (bool more = true; more;) {
    const std::size_t comma = list.find(',');
    auto argument = read_argument(list.substr(0, comma));
    if (!argument) return wrong(inside, "neither a name nor a \"text\"");
    part.arguments.push_back(std::move(*argument));
    more = comma != list.npos;
    if (more) list.remove_prefix(comma + 1);
  }
  if (part.arguments.size() != wanted) return wrong(inside, "wrong number of arguments");
  if (part.function == Message::Function::none && part.arguments.front().quoted)
    return wrong(inside, "a name is no text");
  return part;
}

std::string basic(std::string_view user, std::string_view password) {
  std::string pair;
  pair.reserve(user.size() + 1 + password.size());
  pair.append(user).append(":").append(password);
  std::string out = encode(Encoding::base64, pair);
  vault::wipe(pair);
  return out;
}

}  // namespace

std::expected<Message, std::string> Message::parse(std::string_view text) {
  Message out;
  std::string literal;
  const auto end_literal = [&] {
    if (!literal.empty()) out.parts_.push_back({Function::none, {{literal, true}}});
    literal.clear();
  };
  while (!text.empty()) {
    const std::size_t dollar = std::min(text.find('$'), text.size());
    literal.append(text.substr(0, dollar));
    text.remove_prefix(dollar);
    if (text.empty()) break;
    if (text.starts_with("$$")) {
      literal += '$';
      text.remove_prefix(2);
      continue;
    }
    const std::size_t close = text.find('}');
    if (!text.starts_with("${") || close == text.npos)
      return std::unexpected("a '$' that begins no ${…}; write $$ for it");
    auto part = read_part(text.substr(2, close - 2));
    if (!part) return std::unexpected(std::move(part.error()));
    end_literal();
    out.parts_.push_back(std::move(*part));
    text.remove_prefix(close + 1);
  }
  end_literal();
  return out;
}

std::vector<std::string_view> Message::variables() const {
  std::vector<std::string_view> out;
  for (const Part& part : parts_)
    for (const Argument& argument : part.arguments)
      if (!argument.quoted) out.emplace_back(argument.text);
  return out;
}

bool Message::uses(std::string_view variable) const {
  const auto names = variables();
  return std::find(names.begin(), names.end(), variable) != names.end();
}

void Message::write(Lookup variable, wire::FunctionRef<void(const Part&, std::string_view)> out) const {
  for (const Part& part : parts_) {
    const auto value = [&](const Argument& argument) -> std::string_view {
      return argument.quoted ? std::string_view(argument.text) : variable(argument.text);
    };
    if (part.function == Function::none) {
      out(part, value(part.arguments.front()));
    } else {
      const std::string_view first = value(part.arguments.front());
      std::string made =
          part.function == Function::basic ? basic(first, value(part.arguments.back())) : lower_case(first);
      out(part, made);
      vault::wipe(made);
    }
  }
}

std::string Message::text(Lookup variable) const {
  std::string out;
  write(variable, [&](const Part&, std::string_view piece) { out.append(piece); });
  return out;
}

}  // namespace postern::inject
