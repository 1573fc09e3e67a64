// A strict RFC 8259 scanner that knows one path and notes what to cut and what to put there; then one splice. Not
// Boost.JSON: parsing and writing back turns 18446744073709551616 and 0.1000000000000000055 into other numbers,
// rewrites escapes and hides that a name was given twice.
#include <limits>

#include "proxy/inject/body.hpp"

namespace postern::inject {
namespace {

constexpr std::size_t kOff = std::numeric_limits<std::size_t>::max();  // this value is not on the path

struct Edit {
  std::size_t from, to;  // these bytes …
  std::string text;      // … become this
};

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// The last member so far that has the name looked for.
struct Found {
  std::size_t count = 0;           // of them, with this one
  std::size_t from = 0, next = 0;  // where it begins, and the member behind it; 0: none yet
  std::size_t value = 0, end = 0;  // its value
};

class Splice {
 public:
  Splice(std::string_view in, const std::vector<std::string>& tokens, std::string_view value)
      : in_(in), tokens_(tokens), value_(value) {}
  ~Splice() {
    for (Edit& edit : edits_) vault::wipe(edit.text);
  }
  Splice(const Splice&) = delete;
  Splice& operator=(const Splice&) = delete;

  std::expected<std::string, Error> run() {
    skip_space();
    const bool object = peek() == '{';
    if (!any(1, object ? 0 : kOff)) return std::unexpected(Error{"/body", why_});
    skip_space();
    if (at_ != in_.size()) return std::unexpected(Error{"/body", kNotJson});
    if (!object) return std::unexpected(Error{"/body", "the credential goes into the body: send a JSON object"});
    return write();
  }

 private:
  static constexpr const char* kNotJson =
      "the credential goes into the body, and the body is not valid JSON (RFC 8259)";

  bool fail(std::string why) {
    why_ = std::move(why);
    return false;
  }
  bool bad() { return fail(kNotJson); }
  char peek() const { return at_ < in_.size() ? in_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void skip_space() {
    while (at_ < in_.size() && (in_[at_] == ' ' || in_[at_] == '\t' || in_[at_] == '\n' || in_[at_] == '\r')) ++at_;
  }

  // One value. `level`: which token is looked for inside it, or kOff.
  bool any(int depth, std::size_t level) {
    if (depth > kMaxDepth) return fail("the body is nested deeper than " + std::to_string(kMaxDepth) + " levels");
    const char c = peek();
    if (c == '{') return object(depth, level);
    if (c == '[') return array(depth, level);
    const std::size_t start = at_;
    if (!scalar(c)) return bad();
    if (level == kOff) return true;
    if (c == 'n') return put(start, at_, members("{", level, "}"));
    return fail("the body's " + pointer(level) + " must be an object: the credential goes into it");
  }

  bool scalar(char c) {
    if (c == '"') return string();
    if (c == '-' || is_digit(c)) return number();
    for (const std::string_view word : {"null", "true", "false"}) {
      if (!in_.substr(at_).starts_with(word)) continue;
      at_ += word.size();
      return true;
    }
    return false;
  }

  bool number() {
    take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (!take('+')) take('-');
      return digits();
    }
    return true;
  }

  bool digits() {
    const std::size_t start = at_;
    while (is_digit(peek())) ++at_;
    return at_ != start;
  }

  bool string() {
    ++at_;  // the quote
    while (at_ < in_.size()) {
      const char c = in_[at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c == '\\' && !escape()) return false;
    }
    return false;
  }

  bool escape() {
    if (at_ == in_.size()) return false;
    const char c = in_[at_++];
    if (c != 'u') return c != '\0' && std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos;
    for (int i = 0; i < 4; ++i, ++at_)
      if (!is_hex(peek())) return false;
    return true;
  }

  bool object(int depth, std::size_t level) {
    ++at_;  // the brace
    std::size_t count = 0, end = at_;
    Found found;
    for (skip_space(); !take('}'); skip_space(), ++count) {
      if (count != 0) {
        if (!take(',')) return bad();
        skip_space();
      }
      const std::size_t start = at_;
      bool hit = false;
      if (!name(level, hit)) return bad();
      const bool leaf = hit && level + 1 == tokens_.size();
      if (hit && !leaf && found.count != 0)
        return fail("the body names " + pointer(level + 1) + " twice: send it once");
      const std::size_t value = at_;
      if (!any(depth + 1, hit && !leaf ? level + 1 : kOff)) return false;
      end = at_;
      if (found.count != 0 && found.next == 0) found.next = start;
      if (!hit) continue;
      // An earlier member of the target's name goes, up to where the one behind it begins.
      if (found.count != 0) put(found.from, found.next, {});
      found = {found.count + 1, start, 0, value, end};
    }
    if (level == kOff) return true;
    if (found.count == 0) return put(end, end, members(count != 0 ? "," : "", level, ""));
    if (level + 1 == tokens_.size()) return put(found.value, found.end, std::string(value_));
    return true;
  }

  // A member's name with its colon and the blanks around it. `hit`: it is the token looked for.
  bool name(std::size_t level, bool& hit) {
    const std::size_t start = at_;
    if (peek() != '"' || !string()) return false;
    hit = level != kOff && decode_json_string(in_.substr(start + 1, at_ - start - 2)) == tokens_[level];
    skip_space();
    if (!take(':')) return false;
    skip_space();
    return true;
  }

  bool array(int depth, std::size_t level) {
    ++at_;  // the bracket
    std::size_t index = 0;
    bool found = false;
    for (skip_space(); !take(']'); skip_space(), ++index) {
      if (index != 0) {
        if (!take(',')) return bad();
        skip_space();
      }
      // RFC 6901 section 4: no leading zeros, so the decimal text is the one spelling of an index.
      const bool hit = level != kOff && std::to_string(index) == tokens_[level];
      const bool leaf = hit && level + 1 == tokens_.size();
      const std::size_t start = at_;
      if (!any(depth + 1, hit && !leaf ? level + 1 : kOff)) return false;
      found = found || hit;
      if (leaf) put(start, at_, std::string(value_));
    }
    if (level == kOff || found) return true;
    return fail("the body has no " + pointer(level + 1) + ": the credential goes into that element of the array");
  }

  // "a":{"b":VALUE} for the tokens from `level` on.
  std::string members(std::string_view before, std::size_t level, std::string_view after) const {
    std::string names;
    for (std::size_t i = level; i < tokens_.size(); ++i) {
      append_json_string(tokens_[i], names);
      names += i + 1 < tokens_.size() ? ":{" : ":";
    }
    std::string out;
    out.reserve(before.size() + names.size() + value_.size() + (tokens_.size() - level) + after.size());
    out += before;
    out += names;
    out += value_;
    out.append(tokens_.size() - level - 1, '}');
    out += after;
    return out;
  }

  // The first `count` tokens as a pointer, for messages: it comes from the catalog, not from the caller.
  std::string pointer(std::size_t count) const {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += '/' + tokens_[i];
    return out;
  }

  bool put(std::size_t from, std::size_t to, std::string text) {
    edits_.push_back({from, to, std::move(text)});
    return true;
  }

  // The edits are all of one container and were noted in its order.
  std::string write() const {
    std::size_t size = in_.size();
    for (const Edit& edit : edits_) size += edit.text.size();
    std::string out;
    out.reserve(size);  // never grows: a secret must not stay behind in a smaller buffer
    std::size_t done = 0;
    for (const Edit& edit : edits_) {
      out += in_.substr(done, edit.from - done);
      out += edit.text;
      done = edit.to;
    }
    out += in_.substr(done);
    return out;
  }

  std::string_view in_;
  const std::vector<std::string>& tokens_;
  std::string_view value_;
  std::size_t at_ = 0;
  std::vector<Edit> edits_;
  std::string why_;
};

}  // namespace

std::expected<std::string, Error> set_json_value(std::string_view document, const std::vector<std::string>& tokens,
                                                 std::string_view value) {
  if (document.size() > kMaxBody)
    return std::unexpected(Error{"/body", "the body is too large to put the credential into it"});
  if (!is_utf8(document)) return std::unexpected(Error{"/body", "the credential goes into the body: send it as UTF-8"});
  return Splice(document, tokens, value).run();
}

}  // namespace postern::inject
