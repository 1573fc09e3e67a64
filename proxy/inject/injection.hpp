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
#include <forward_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/wire/field.hpp"
#include "proxy/wire/function_ref.hpp"
#include "proxy/wire/transform.hpp"
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
  needs_body = 2,       // to edit it: `body`
  needs_body_hash = 4,  // to read it whole: `content`
  needs_body_stream = 8,
  needs_challenge = 16,
  needs_target = 32,  // the request as it goes out, and as it came: `authority` to `sent_query`
  needs_time = 64     // `now_ms` and `nonce`
};

struct NameValue {
  std::string_view name, value;
};

// A whole request body, wherever it is kept; may be read more than once.
class Content {
 public:
  virtual ~Content() = default;
  virtual std::uint64_t size() const = 0;  // bytes
  // Piece by piece, in order. False: it could not be read to its end (a spilled one), and nothing of it counts.
  virtual bool each(wire::FunctionRef<void(std::string_view)> take) const = 0;
};

// One that lies in memory, which it borrows.
class HeldContent final : public Content {
 public:
  explicit HeldContent(std::string_view bytes) : bytes_(bytes) {}
  std::uint64_t size() const override { return bytes_.size(); }
  bool each(wire::FunctionRef<void(std::string_view)> take) const override {
    if (!bytes_.empty()) take(bytes_);
    return true;
  }

 private:
  std::string_view bytes_;
};

// What is not asked for by needs() is empty.
struct Inputs {
  std::string_view method = {};
  std::string_view content_type = {};  // empty: none sent
  std::string_view body = {};          // only when needs_body
  std::int64_t now_ms = 0;
  std::string_view nonce = {};             // 32 random lower-case hex characters; to one challenge always the same
  std::string_view challenge = {};         // what the upstream asked before; empty: nothing yet
  std::uint32_t challenge_count = 0;       // how often it was answered, this time included
  std::string_view content_encoding = {};  // empty: none sent. A coded body cannot be edited
  // Host, path and query as they go out, raw: the query without '?' and without what is taken out.
  std::string_view authority = {}, path = {}, query = {};
  // Fields as they go out, without Host, Via and what this injection writes; Content-Length if it goes out.
  std::span<const NameValue> fields = {};
  const Content* content = nullptr;  // null: no body was asked for, or it goes out as it comes
  // What the caller sent, with what is taken out of it: its own signature, which may say what to sign.
  std::span<const NameValue> sent = {};
  std::string_view sent_query = {};
};

// What to do to the request. Headers are set (the same name was removed before); query parameters and cookies likewise.
// Query names and values are raw, to be percent-encoded by whoever writes them: everything but unreserved characters,
// in upper case. Wiped on destruction.
struct Changes {
  std::vector<NameValue> headers, query, cookies;
  std::string_view path_prefix;  // put before the path; empty: nothing
  bool body_replaced = false;
  std::string body;          // when body_replaced; holds secrets: wiped by clear()
  std::string content_type;  // when body_replaced and the request had none
  // What the body goes out through, when it is not held: never with body_replaced. Its length must stay what it was.
  std::unique_ptr<wire::Transform> transform;
  // Of what was made, the texts that prove this request (a signature): an answer must not show them either. Raw.
  std::vector<std::string_view> proofs;
  // Text that was made for this request, for the views above to point into.
  std::string_view keep(std::string text) { return made.emplace_front(std::move(text)); }
  std::forward_list<std::string> made;
  void clear();  // keeps the capacity of the lists
  Changes() = default;
  Changes(Changes&&) = default;
  Changes& operator=(Changes&&) = delete;
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
  // What it needs of this request: at most needs(). Of `head` only method, content_type, content_encoding, sent,
  // sent_query and challenge are set. Asked only where needs() has needs_body_hash.
  virtual std::uint8_t needs_of(const Inputs& /*head*/) const { return needs(); }
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

// What an injection is made of.
struct Recipe {
  std::vector<Rule> rules = {};                     // the catalog entry's `inject`, expanded
  std::map<std::string, std::string> options = {};  // its `sign`: what config/sign.cpp lets through, expanded
  // The credential, by its fields' names; an absent optional one is not here.
  std::map<std::string, vault::Secret> values = {};
  // Not empty: the values are no real ones but this text, which then stands wherever a signature would. For showing
  // what a request would look like: a key that is no key is no error then.
  std::string placeholder = {};
};

// One row an injection kind. A duplicate kind does not compile (registry.cpp). The string of a failed Make names the
// rule, the option or the field and what is wrong with it, never a value.
using Make = std::expected<std::unique_ptr<Injection>, std::string> (*)(Recipe recipe);
struct Row {
  std::string_view kind;
  Make make;
};
// "field": values in places. The others are signers, named like the schemes of config/sign.cpp; they ignore rules.
const Row* find_injection(std::string_view kind);  // nullptr: no such kind
// The first kind that two rows share, empty if none does.
constexpr std::string_view duplicate_kind(std::span<const Row> rows) {
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (rows[i].kind == rows[j].kind) return rows[i].kind;
  return {};
}
// The injection of a connection: `scheme` signs (empty: the rules alone), after the rules if there are any.
std::expected<std::unique_ptr<Injection>, std::string> make_injection(std::string_view scheme, Recipe recipe);

// A field that describes bytes of a body (RFC 9530, RFC 1864, Content-Encoding): false of any other body.
bool describes_body(std::string_view field_name);

}  // namespace postern::inject
