#pragma once
// How a credential is applied to a request: pure. No clock, no I/O, all inputs are arguments (DESIGN section 2).
//
// An Injection is made once per credential generation and applied to many requests, so everything that does not depend
// on the request is worked out beforehand; apply() on head-only injections allocates nothing once `out` has its
// capacity. Thread safety: const after construction. Ownership: views in Changes live as long as the Injection and
// `out` itself. Fail closed: a rule that cannot be applied as written (empty value, a name that frames the message)
// makes no Injection, and a body that cannot be edited without doubt is an Error, never a request without its
// credential.
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/wire/field.hpp"
#include "vault/secret.hpp"

namespace postern::inject {

enum class Place : std::uint8_t { header, query, cookie, form, json, path };

// One place and the value that goes there, templates already expanded. The value is raw: each place encodes as it
// needs, except path, which is written as it stands.
struct Rule {
  Place place = Place::header;
  std::string name;  // header, parameter or cookie name, JSON pointer (RFC 6901); empty for path
  vault::Secret value;
  bool secret = true;  // false: nothing secret went into the value (a version header, "json"), so it is not masked
};

enum Needs : std::uint8_t {
  needs_head = 1,
  needs_body = 2,
  needs_body_hash = 4,
  needs_body_stream = 8,
  needs_challenge = 16
};

struct Inputs {
  std::string_view method = {};
  std::string_view content_type = {};  // empty: none sent
  std::string_view body = {};          // only when needs_body
  std::int64_t now_ms = 0;
  std::string_view nonce = {}, challenge = {};
  std::string_view content_encoding = {};  // empty: none sent. A coded body cannot be edited
};

struct NameValue {
  std::string_view name, value;
};

// What to do to the request. Headers are set (the same name was removed before); query parameters and cookies likewise.
// Query names and values are raw, to be percent-encoded by whoever writes them. Wiped on destruction.
struct Changes {
  std::vector<NameValue> headers, query, cookies;
  std::string_view path_prefix;  // put before the path; empty: nothing
  bool body_replaced = false;
  std::string body;          // when body_replaced; holds secrets: wiped by clear()
  std::string content_type;  // when body_replaced and the request had none
  void clear();              // keeps the capacity of the lists
  ~Changes() { clear(); }
};

struct Error {
  std::string pointer;  // what in the request does not fit ("/body")
  std::string message;  // for the caller: never holds a secret
};

class Injection {
 public:
  virtual ~Injection() = default;
  virtual std::uint8_t needs() const = 0;  // Needs, or-ed
  // Clears `out` first; on an Error it is left empty.
  virtual std::expected<void, Error> apply(const Inputs& in, Changes& out) const = 0;
  // Every place it writes to, so that what the caller sent there is removed: names as in Rule.
  struct Spot {
    Place place;
    std::string name;
  };
  virtual const std::vector<Spot>& spots() const = 0;
  // What must be masked in answers: each injected secret value, whole, and of a header "Scheme value" also the value
  // alone. Raw: percent-encoded and other spellings are the masker's to derive.
  virtual const std::vector<vault::Secret>& masks() const = 0;
  virtual std::string describe() const = 0;  // safe to log: "header Authorization, query key"
};

// One row an injection kind. A duplicate kind does not compile (registry.cpp). The string of a failed Make names the
// rule and what is wrong with it, never a value.
using Make = std::expected<std::unique_ptr<Injection>, std::string> (*)(std::vector<Rule> rules);
struct Row {
  std::string_view kind;
  Make make;
};
// Kinds so far: "field" (API_KEY, BEARER, CUSTOM, BASIC: all are places with values).
const Row* find_injection(std::string_view kind);  // nullptr: no such kind
// The first kind that two rows share, empty if none does.
constexpr std::string_view duplicate_kind(std::span<const Row> rows) {
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (rows[i].kind == rows[j].kind) return rows[i].kind;
  return {};
}
// The kind that a connection type uses, or nullptr if no injection serves it yet.
const char* kind_of_type(std::string_view connection_type);

}  // namespace postern::inject
