#include "proxy/grants/json_write.hpp"

namespace postern::grants {
namespace {

struct Tree {
  std::map<std::string, Tree> members;  // of an object
  const JsonMember* leaf = nullptr;
};

void put_string(std::string& out, std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out += digits[static_cast<unsigned char>(c) >> 4];
      out += digits[c & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

void put(std::string& out, const Tree& tree) {
  if (tree.leaf != nullptr) {
    if (tree.leaf->raw)
      out += tree.leaf->value;
    else
      put_string(out, tree.leaf->value);
    return;
  }
  char before = '{';
  for (const auto& [name, member] : tree.members) {
    out += before;
    before = ',';
    put_string(out, name);
    out += ':';
    put(out, member);
  }
  if (before == '{') out += before;
  out += '}';
}

// The steps of a place: a plain name is one, a pointer has its own (RFC 6901, '~0' and '~1').
std::vector<std::string> steps(std::string_view name) {
  if (!name.starts_with('/')) return {std::string(name)};
  std::vector<std::string> out;
  for (const char c : name) {
    if (c == '/')
      out.emplace_back();
    else if (!out.back().empty() && out.back().back() == '~' && (c == '0' || c == '1'))
      out.back().back() = c == '0' ? '~' : '/';
    else
      out.back() += c;
  }
  return out;
}

}  // namespace

std::string write_json(const std::vector<JsonMember>& members) {
  Tree root;
  std::size_t most = 2;
  for (const JsonMember& member : members) {
    Tree* at = &root;
    for (const std::string& step : steps(member.name)) {
      at->leaf = nullptr;
      at = &at->members[step];
      most += 6 * step.size() + 6;
    }
    at->members.clear();
    at->leaf = &member;
    most += 6 * member.value.size() + 4;
  }
  std::string out;
  out.reserve(most);
  put(out, root);
  return out;
}

}  // namespace postern::grants
