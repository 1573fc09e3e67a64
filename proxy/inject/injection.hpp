#pragma once
// How a credential is applied to a request: pure. No clock, no I/O, all inputs are arguments (DESIGN section 2).
//
// An Injection is made once per credential generation and applied to many requests, so everything that does not depend on
// the request is worked out beforehand; apply() on head-only injections allocates nothing once `out` has its capacity.
// Thread safety: const after construction. Ownership: views in Changes live as long as the Injection and `out` itself.
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/wire/field.hpp"
#include "vault/secret.hpp"

namespace postern::inject {

enum class Place : std::uint8_t { header, query, cookie, form, json, path };

// One place and the value that goes there, templates already expanded.
struct Rule {
  Place place = Place::header;
  std::string name;  // header, parameter or cookie name, JSON pointer; empty for path
  vault::Secret value;
};

enum Needs : std::uint8_t { needs_head = 1, needs_body = 2, needs_body_hash = 4, needs_body_stream = 8, needs_challenge = 16 };

struct Inputs {
  std::string_view method;
  std::string_view content_type;  // empty: none sent
  std::string_view body;          // only when needs_body
  std::int64_t now_ms = 0;
  std::string_view nonce, challenge;
};

struct NameValue {
  std::string_view name, value;
};

// What to do to the request. Headers are set (the same name was removed before); query parameters and cookies likewise.
struct Changes {
  std::vector<NameValue> headers, query, cookies;
  std::string_view path_prefix;  // put before the path; empty: nothing
  bool body_replaced = false;
  std::string body;          // when body_replaced; holds secrets: wiped by clear()
  std::string content_type;  // when body_replaced and the request had none
  void clear();
};

struct Error {
  std::string pointer;  // what in the request does not fit ("/body")
  std::string message;  // for the caller: never holds a secret
};

class Injection {
 public:
  virtual ~Injection() = default;
  virtual std::uint8_t needs() const = 0;  // Needs, or-ed
  virtual std::expected<void, Error> apply(const Inputs& in, Changes& out) const = 0;
  // Every place it writes to, so that what the caller sent there is removed: names as in Rule.
  struct Spot { Place place; std::string name; };
  virtual const std::vector<Spot>& spots() const = 0;
  // What must be masked in answers: each injected value, whole.
  virtual const std::vector<vault::Secret>& masks() const = 0;
  virtual std::string describe() const = 0;  // safe to log: "header Authorization, query key"
};

// One row an injection kind. The registry refuses duplicates at start (abort with a message).
using Make = std::expected<std::unique_ptr<Injection>, std::string> (*)(std::vector<Rule> rules);
struct Row { std::string_view kind; Make make; };
// Kinds so far: "field" (API_KEY, BEARER, CUSTOM, BASIC: all are places with values).
const Row* find_injection(std::string_view kind);
// The kind that a connection type uses, or nullptr if no injection serves it yet.
const char* kind_of_type(std::string_view connection_type);

}  // namespace postern::inject
