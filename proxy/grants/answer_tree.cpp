#include "proxy/grants/answer_tree.hpp"

#include <algorithm>
#include <charconv>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "proxy/grants/wiping.hpp"

namespace postern::grants {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r\n";
  while (!text.empty() && space.find(text.front()) != space.npos) text.remove_prefix(1);
  while (!text.empty() && space.find(text.back()) != space.npos) text.remove_suffix(1);
  return text;
}

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// One name or value of a form; a '%' that escapes nothing stands for itself.
boost::json::string form_decode(std::string_view text) {
  boost::json::string out(wiping_storage());
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

bool looks_like_form(std::string_view body) {
  const std::size_t equals = body.find('=');
  return equals != body.npos && equals > 0 &&
         std::all_of(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(equals),
                     [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                              c == '-';
                     }) &&
         body.find_first_of(" \n<{") == body.npos;
}

}  // namespace

AnswerTree::AnswerTree(const TokenReply& reply, config::Format format)
    : reply_(reply), root_(boost::json::object(wiping_storage())) {
  std::string_view body = reply.body.expose();
  if (body.starts_with("\xef\xbb\xbf")) body.remove_prefix(3);
  body = trimmed(body);
  using config::Format;
  if (format == Format::detect) {
    // By the bytes, not by Content-Type: JSON comes as text/javascript and text/plain, forms as text/html (measured at
    // several providers).
    const bool json = body.starts_with('{') || body.starts_with('[');
    format = json ? Format::json : looks_like_form(body) ? Format::form : Format::detect;
  }
  if (format == Format::json) {
    boost::system::error_code failed;
    auto value = boost::json::parse(body, failed, wiping_storage());
    if (!failed && (value.is_object() || value.is_array())) {
      root_ = std::move(value);
      readable_ = true;
    }
  } else if (format == Format::form) {
    read_form(body);
    readable_ = true;
  } else if (format == Format::text) {
    if (body.size() >= 2 && body.starts_with('"') && body.ends_with('"')) body = body.substr(1, body.size() - 2);
    root_ = boost::json::string(body, wiping_storage());
    readable_ = !body.empty() && body.find_first_of(" \t\r\n<{") == body.npos;  // not a page, not an error as JSON
  }
}

void AnswerTree::read_form(std::string_view body) {
  auto& members = root_.as_object();
  while (!body.empty()) {
    const std::size_t end = std::min(body.find('&'), body.size());
    const std::string_view pair = body.substr(0, end);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (!pair.empty()) {
      const boost::json::string name = form_decode(pair.substr(0, equals));
      members[name] = form_decode(equals == pair.size() ? "" : pair.substr(equals + 1));
    }
    body.remove_prefix(std::min(end + 1, body.size()));
  }
}

const boost::json::value* AnswerTree::find(std::string_view path) const {
  if (!readable_ || path.empty()) return nullptr;
  // An answer that is one text has one place, wherever the token is looked for.
  if (root_.is_string()) return &root_;
  if (path.starts_with('/')) {
    boost::system::error_code failed;
    return root_.find_pointer(path, failed);
  }
  return root_.is_object() ? root_.as_object().if_contains(path) : nullptr;
}

std::string_view AnswerTree::header(std::string_view name) const {
  const std::string wanted = lower(name);
  for (const auto& [given, value] : reply_.headers)
    if (lower(given) == wanted) return trimmed(value.expose());
  return {};
}

std::string_view AnswerTree::cookie(std::string_view name) const {
  for (const auto& [given, value] : reply_.headers) {
    if (lower(given) != "set-cookie") continue;
    const std::string_view pair = trimmed(value.expose().substr(0, value.expose().find(';')));
    const std::size_t equals = pair.find('=');
    if (equals != pair.npos && trimmed(pair.substr(0, equals)) == name) return trimmed(pair.substr(equals + 1));
  }
  return {};
}

bool AnswerTree::has(std::string_view path) const {
  if (path.starts_with("header:")) return !header(path.substr(7)).empty();
  if (path.starts_with("cookie:")) return !cookie(path.substr(7)).empty();
  return find(path) != nullptr;
}

std::optional<vault::Secret> AnswerTree::text(std::string_view path) const {
  for (const bool head : {true, false}) {
    if (!path.starts_with(head ? "header:" : "cookie:")) continue;
    const std::string_view value = head ? header(path.substr(7)) : cookie(path.substr(7));
    return value.empty() ? std::nullopt : std::optional(vault::Secret(value));
  }
  const boost::json::value* found = find(path);
  if (found == nullptr || found->is_null() || found->is_object() || found->is_array()) return std::nullopt;
  if (found->is_string()) return vault::Secret(std::string_view(found->as_string()));
  if (found->is_bool()) return vault::Secret(found->as_bool() ? "true" : "false");
  char digits[40];
  std::to_chars_result end{};
  if (found->is_int64())
    end = std::to_chars(digits, digits + sizeof digits, found->as_int64());
  else if (found->is_uint64())
    end = std::to_chars(digits, digits + sizeof digits, found->as_uint64());
  else
    end = std::to_chars(digits, digits + sizeof digits, found->as_double());
  return vault::Secret(std::string_view(digits, static_cast<std::size_t>(end.ptr - digits)));
}

}  // namespace postern::grants
