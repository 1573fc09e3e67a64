#include "proxy/wire/rewrite.hpp"

#include <algorithm>

#include "proxy/wire/bytes.hpp"

namespace postern::wire {
namespace {

// The byte that "%XX" at `text[at]` stands for, or -1.
int escaped_at(std::string_view text, std::size_t at) noexcept {
  if (at + 2 >= text.size() || text[at] != '%') return -1;
  const int high = hex_value(text[at + 1]), low = hex_value(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high << 4 | low;
}

void append_pair(std::string& out, std::string_view name, std::string_view value) {
  percent_encode(name, out);
  out.push_back('=');
  percent_encode(value, out);
}

// How many bytes of `text` are the secret with any of its characters percent-encoded; 0: none.
std::size_t encoded_prefix(std::string_view text, std::string_view secret) noexcept {
  std::size_t at = 0;
  for (const char wanted : secret) {
    if (at == text.size()) return 0;
    if (const int byte = escaped_at(text, at); byte >= 0) {
      if (static_cast<char>(byte) != wanted) return 0;
      at += 3;
    } else {
      if (text[at] != wanted && !(text[at] == '+' && wanted == ' ')) return 0;
      ++at;
    }
  }
  return at;
}

std::size_t secret_prefix(std::string_view text, std::span<const std::string_view> secrets) noexcept {
  std::size_t longest = 0;
  for (const std::string_view secret : secrets) {
    if (secret.size() < kShortestMasked) continue;
    const std::size_t size = text.starts_with(secret) ? secret.size() : 0;
    longest = std::max({longest, size, encoded_prefix(text, secret)});
  }
  return longest;
}

}  // namespace

void percent_encode(std::string_view text, std::string& out) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (const char c : text) {
    if (is(kUnreserved, c)) {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(digits[byte >> 4]);
    out.push_back(digits[byte & 15]);
  }
}

std::string percent_decode(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (const int byte = escaped_at(text, i); byte >= 0) {
      out.push_back(static_cast<char>(byte));
      i += 2;
    } else {
      out.push_back(text[i] == '+' && plus == Plus::space ? ' ' : text[i]);
    }
  }
  return out;
}

std::size_t strip_query(std::string_view query, NameTest remove, std::string& out) {
  std::size_t removed = 0;
  bool first = true;
  for (std::string_view rest = query; rest.data() != nullptr;) {
    const std::size_t end = rest.find('&');
    const std::string_view parameter = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    const std::string_view name = parameter.substr(0, parameter.find('='));
    const bool plain = name.find_first_of("%+") == std::string_view::npos;
    if (!parameter.empty() && (plain ? remove(name) : remove(percent_decode(name, Plus::space)))) {
      ++removed;
      continue;
    }
    if (!first) out.push_back('&');
    out.append(parameter);
    first = false;
  }
  return removed;
}

void append_query(std::string& target, std::string_view name, std::string_view value) {
  const std::size_t mark = target.find('?');
  if (mark == std::string::npos)
    target.push_back('?');
  else if (mark + 1 != target.size() && target.back() != '&')
    target.push_back('&');
  append_pair(target, name, value);
}

void append_form(std::string& body, std::string_view name, std::string_view value) {
  if (!body.empty() && body.back() != '&') body.push_back('&');
  append_pair(body, name, value);
}

std::size_t strip_cookie(std::string_view cookies, std::string_view name, std::string& out) {
  std::size_t removed = 0;
  bool first = true;
  for (std::string_view rest = cookies; rest.data() != nullptr;) {
    const std::size_t end = rest.find(';');
    const std::string_view pair = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    if (trim_ows(pair.substr(0, pair.find('='))) == name) {
      ++removed;
      continue;
    }
    if (!first) out.push_back(';');
    out.append(first ? trim_ows(pair) : pair);
    first = false;
  }
  return removed;
}

bool append_cookie(std::string& cookies, std::string_view name, std::string_view value) {
  if (!is_token(name) || !is_field_value(value) || value.find_first_of(";\t") != std::string_view::npos) return false;
  if (trim_ows(value) != value) return false;
  if (!cookies.empty()) cookies.append("; ");
  cookies.append(name).append(1, '=').append(value);
  return true;
}

bool may_hold(std::string_view text, std::span<const std::string_view> secrets) noexcept {
  // Without a '%' or a '+' an occurrence can only be the secret as it is; almost every text ends here.
  if (text.find('%') != std::string_view::npos || text.find('+') != std::string_view::npos) return true;
  return std::any_of(secrets.begin(), secrets.end(), [&](std::string_view secret) {
    return secret.size() >= kShortestMasked && text.find(secret) != std::string_view::npos;
  });
}

std::optional<std::string> mask(std::string_view value, std::span<const std::string_view> secrets) {
  if (!may_hold(value, secrets)) return std::nullopt;
  std::optional<std::string> out;
  std::size_t kept = 0;  // from here on nothing has been copied
  for (std::size_t i = 0; i < value.size();) {
    const std::size_t size = secret_prefix(value.substr(i), secrets);
    if (size == 0) {
      ++i;
      continue;
    }
    if (!out) out.emplace();
    out->append(value.substr(kept, i - kept)).append("***");
    kept = i += size;
  }
  if (out) out->append(value.substr(kept));
  return out;
}

}  // namespace postern::wire
