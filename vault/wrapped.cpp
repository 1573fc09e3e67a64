#include "vault/wrapped.hpp"

// The format, frozen by tests/golden/vault/wrapped.hex, wrapped_passphrase.hex and wrapped_exec.hex:
//
//   wrapped := envelope                         ; by a key that is simply there: key_file, key_credential
//            / "pstk" kind length recipe envelope
//   kind    := %x01 (passphrase) / %x02 (exec)  ; the recipe's grammar is in key_passphrase.cpp, key_exec.cpp
//   length  := 2 bytes, big endian              ; of the recipe
//
// From the master key two values are derived (HKDF-SHA-256, no salt): the wrapping key, info "postern/wrap/1", and the
// key's public id, info "postern/key-id/1", by which a wrong key is told from a damaged record.
#include "vault/digest.hpp"
#include "vault/encoding.hpp"

namespace postern::vault {
namespace {

constexpr std::string_view kMagic = "pstk";
constexpr std::size_t kHead = kMagic.size() + 3;

const char* name_of(Wrapped::Kind kind) {
  switch (kind) {
    case Wrapped::Kind::key:
      return "a key of a file or credential";
    case Wrapped::Kind::passphrase:
      return "a passphrase";
    case Wrapped::Kind::exec:
      return "a command (exec)";
  }
  return "";
}

}  // namespace

std::optional<Wrapped> parse_wrapped(std::string_view bytes) {
  Wrapped wrapped{.kind = Wrapped::Kind::key, .recipe = {}, .envelope = bytes};
  if (bytes.starts_with(kMagic)) {
    if (bytes.size() < kHead) return std::nullopt;
    const auto byte = [bytes](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
    const unsigned char kind = byte(kMagic.size());
    const std::size_t length = static_cast<std::size_t>(byte(kMagic.size() + 1) << 8 | byte(kMagic.size() + 2));
    if ((kind != 1 && kind != 2) || bytes.size() < kHead + length) return std::nullopt;
    wrapped.kind = static_cast<Wrapped::Kind>(kind);
    wrapped.recipe = bytes.substr(kHead, length);
    wrapped.envelope = bytes.substr(kHead + length);
  }
  if (!sealed_under(wrapped.envelope)) return std::nullopt;
  return wrapped;
}

std::string join_wrapped(Wrapped::Kind kind, std::string_view recipe, std::string_view envelope) {
  std::string bytes(kMagic);
  bytes += static_cast<char>(kind);
  bytes += static_cast<char>(recipe.size() >> 8 & 0xffU);
  bytes += static_cast<char>(recipe.size() & 0xffU);
  return bytes.append(recipe).append(envelope);
}

MasterKey::MasterKey(const Secret& master)
    : key_(std::string(hkdf_sha256(master.expose(), {}, "postern/key-id/1", kKeyIdSize).expose()),
           hkdf_sha256(master.expose(), {}, "postern/wrap/1", kKeySize)) {}

std::string MasterKey::id() const {
  return hex(key_.id());
}

Result<Secret> MasterKey::unwrap(std::string_view envelope, const Binding& binding,
                                 const std::string& description) const {
  const auto under = sealed_under(envelope);
  if (under && *under != key_.id()) {
    return fail(Error::Code::wrong_key, "the master key (" + description + ") is not the one that opens this vault: " +
                                            "its id is " + id() + ", the vault needs " + hex(*under));
  }
  return key_.open(envelope, binding);
}

std::unexpected<Error> other_kind(const Wrapped& wrapped, const std::string& description) {
  return fail(Error::Code::wrong_key,
              "the master key (" + description + ") is not the one that opens this vault: the vault needs " +
                  hex(sealed_under(wrapped.envelope).value_or("")) + ", which is " + name_of(wrapped.kind));
}

Result<Secret> PresentKey::unwrap(std::string_view wrapped, const Binding& binding) const {
  const auto parsed = parse_wrapped(wrapped);
  if (!parsed) return fail(Error::Code::corrupt, "is not a wrapped key of a format this version reads");
  if (parsed->kind != Wrapped::Kind::key) return other_kind(*parsed, description_);
  return key_.unwrap(parsed->envelope, binding, description_);
}

Result<void> RecipeKey::begin(std::string_view vault_id) {
  const std::scoped_lock lock(mutex_);
  auto made = make(vault_id);
  if (!made) return std::unexpected(made.error());
  known_.emplace(Known{std::move(made->recipe), MasterKey(made->master)});
  return {};
}

Result<std::string> RecipeKey::wrap(std::string_view plaintext, const Binding& binding) const {
  const std::scoped_lock lock(mutex_);
  must(known_.has_value(), "RecipeKey::wrap before begin");
  return join_wrapped(kind_, known_->recipe, known_->key.wrap(plaintext, binding));
}

Result<Secret> RecipeKey::unwrap(std::string_view wrapped, const Binding& binding) const {
  const auto parsed = parse_wrapped(wrapped);
  if (!parsed) return fail(Error::Code::corrupt, "is not a wrapped key of a format this version reads");
  if (parsed->kind != kind_) return other_kind(*parsed, description_);
  const std::scoped_lock lock(mutex_);
  if (known_ && known_->recipe == parsed->recipe) return known_->key.unwrap(parsed->envelope, binding, description_);
  const auto master = follow(parsed->recipe);
  if (!master) {
    return fail(master.error().code, master.error().message + " (the vault needs key " +
                                         hex(sealed_under(parsed->envelope).value_or("")) + ")");
  }
  Known found{std::string(parsed->recipe), MasterKey(*master)};
  auto opened = found.key.unwrap(parsed->envelope, binding, description_);
  if (opened) known_.emplace(std::move(found));
  return opened;
}

std::string RecipeKey::id() const {
  const std::scoped_lock lock(mutex_);
  return known_ ? known_->key.id() : std::string();
}

}  // namespace postern::vault
