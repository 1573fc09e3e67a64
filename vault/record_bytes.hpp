#pragma once
// Bytes of one record, field by field: what the encoders and decoders of record_codec are written with. The format is
// drawn at the top of record_codec.cpp. Thread safety: one object, one thread. A reader borrows the bytes it reads.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vault/error.hpp"
#include "vault/record.hpp"

namespace postern::vault {

enum class Kind : std::uint8_t {
  connection = 1,
  credential = 2,
  authorization = 3,
  header = 4,
  data_key = 5,
  organization = 6,
  project = 7,
  reference = 8,
  rotation = 9,
  auth_config = 10,
  intent = 11,
  link = 12,
  user = 13,
  spent = 14,
  kept_answer = 15,
  index_state = 16,
  event = 17,
  audit_head = 18,
  imported_provider = 19,
  previous = 20,
  authority = 21,
};

// What is written. Whatever was written before is read for ever: a decoder asks Reader::version() which fields are
// there.
constexpr std::uint8_t current_version(Kind kind) {
  switch (kind) {
    case Kind::connection:
      return 3;
    case Kind::credential:
    case Kind::authorization:
    case Kind::organization:
    case Kind::project:
      return 2;
    case Kind::header:
    case Kind::data_key:
    case Kind::reference:
    case Kind::rotation:
    case Kind::auth_config:
    case Kind::intent:
    case Kind::link:
    case Kind::user:
    case Kind::spent:
    case Kind::index_state:
    case Kind::event:
    case Kind::audit_head:
    case Kind::imported_provider:
    case Kind::kept_answer:
    case Kind::previous:
    case Kind::authority:
      return 1;
  }
  return 0;
}

class Writer {
 public:
  explicit Writer(Kind kind, std::size_t expected_size = 256) {
    bytes_.reserve(expected_size);
    number(current_version(kind));
    number(static_cast<std::uint8_t>(kind));
  }

  template <class N>
  void number(N value) {
    const auto bits = static_cast<std::uint64_t>(value);
    for (std::size_t i = sizeof(N); i != 0; --i) bytes_ += static_cast<char>(bits >> (8 * (i - 1)) & 0xffU);
  }
  void flag(bool value) { number(static_cast<std::uint8_t>(value)); }
  void text(std::string_view value) {
    count(value.size());
    bytes_ += value;
  }
  void count(std::size_t value) { number(static_cast<std::uint32_t>(value)); }
  void list(const std::vector<std::string>& values) {
    count(values.size());
    for (const auto& value : values) text(value);
  }
  void optional_list(const std::optional<std::vector<std::string>>& values) {
    flag(values.has_value());
    if (values) list(*values);
  }
  std::string done() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Reads on after a fault as if everything were empty; `good()` at the end is the one check.
class Reader {
 public:
  Reader(std::string_view bytes, Kind kind) : left_(bytes) {
    version_ = number<std::uint8_t>();
    if (version_ == 0 || version_ > current_version(kind)) good_ = false;
    if (number<std::uint8_t>() != static_cast<std::uint8_t>(kind)) good_ = false;
  }

  template <class N>
  N number() {
    std::uint64_t bits = 0;
    for (const char c : take(sizeof(N))) bits = bits << 8 | static_cast<unsigned char>(c);
    return static_cast<N>(bits);
  }
  bool flag() {
    const auto value = number<std::uint8_t>();
    if (value > 1) good_ = false;
    return value == 1;
  }
  template <class E>
  E choice(E last) {
    const auto value = number<std::uint8_t>();
    if (value > static_cast<std::uint8_t>(last)) good_ = false;
    return static_cast<E>(value);
  }
  std::string_view view() { return take(number<std::uint32_t>()); }
  std::string text() { return std::string(view()); }
  // How many items follow; a count that cannot fit what is left is a fault, so that nobody reserves for it.
  std::size_t count(std::size_t smallest_item) {
    const std::size_t value = number<std::uint32_t>();
    if (value <= left_.size() / smallest_item) return value;
    good_ = false;
    return 0;
  }
  std::vector<std::string> list() {
    std::vector<std::string> values(count(4));
    for (auto& value : values) value = text();
    return values;
  }
  std::optional<std::vector<std::string>> optional_list() {
    if (!flag()) return std::nullopt;
    return list();
  }
  void refuse() { good_ = false; }
  // Of the record that is read: 1 to the current one.
  std::uint8_t version() const { return version_; }
  bool good() const { return good_ && left_.empty(); }

 private:
  std::string_view take(std::size_t size) {
    if (!good_ || size > left_.size()) {
      good_ = false;
      return {};
    }
    const auto taken = left_.substr(0, size);
    left_.remove_prefix(size);
    return taken;
  }

  std::string_view left_;
  std::uint8_t version_ = 0;
  bool good_ = true;
};

// The end of every decoder: all was there, and nothing else.
template <class T>
Result<T> finish(const Reader& in, T record, const char* name) {
  if (in.good()) return record;
  return fail(Error::Code::corrupt,
              std::string("a record does not decode as ") + name + " (damaged, or written by a newer postern)");
}

// Secrets by name, and a credential as it lies in a record of its own and in a link.
using SecretMap = std::map<std::string, Secret>;
std::size_t encoded_size(const SecretMap& values);  // at most this
void write_secrets(Writer& out, const SecretMap& values);
SecretMap read_secrets(Reader& in);
void write_credential(Writer& out, const Credential& record);
enum class Times : bool { absent, present };  // version 1 had none
Credential read_credential(Reader& in, Times times);
std::size_t encoded_size(const Credential& record);

}  // namespace postern::vault
