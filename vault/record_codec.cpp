#include "vault/record_codec.hpp"

// Longer than most files here: writers and readers of one format stay side by side.
// The format, frozen by tests/golden/vault. A new field means a new version byte and a reader for the old one.
//
//   record        := version kind body
//   version       := %x01                 ; of that kind of record: current_version()
//   kind          := one byte, the number before each body below
//   connection    := 1:  id organization project owner scope alias name app auth type auth-config config
//                        destinations end-user tags enabled status status-reason status-since created updated
//                        generation
//   credential    := 2:  generation count *(name value)      ; names strictly ascending
//   authorization := 3:  id organization project user name parent capabilities connections hosts? methods?
//                        default-for public-id digest created expires revoked
//   header        := 4:  vault-id created active-key digest-key
//   data-key      := 5:  id created key
//   organization  := 6:  id created
//   project       := 7:  id organization created
//   reference     := 8:  organization project id
//   rotation      := 9:  state key-id total done resealed unreadable started finished cursor pass-resealed
//   index-state   := 16: index-version complete after     ; one byte, %x00 | %x01, text
//
//   text          := length bytes         ; every field that is not named here
//   list          := count *text          ; capabilities connections default-for tags
//   optional list := %x00 | %x01 list     ; hosts? methods?
//   destinations  := count *(host port path-prefix)
//   scope status state := one byte; enabled := %x00 | %x01; port := 2 bytes
//   length count  := 4 bytes
//   generation total done resealed unreadable pass-resealed := 8 bytes; started finished created updated expires
//   revoked status-since := 8 bytes, two's complement Numbers are big endian.
#include <type_traits>

namespace postern::vault {
namespace {

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
  index_state = 16,
};

// What is written. Whatever was written before is read for ever: a decoder asks Reader::version() which fields are
// there.
constexpr std::uint8_t current_version(Kind kind) {
  switch (kind) {
    case Kind::connection:
    case Kind::credential:
    case Kind::authorization:
    case Kind::header:
    case Kind::data_key:
    case Kind::organization:
    case Kind::project:
    case Kind::reference:
    case Kind::rotation:
    case Kind::index_state:
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

template <class T>
Result<T> finish(const Reader& in, T record, const char* name) {
  if (in.good()) return record;
  return fail(Error::Code::corrupt,
              std::string("a record does not decode as ") + name + " (damaged, or written by a newer postern)");
}

// Old bytes to new ones, for each kind of record.
template <class T>
Result<Secret> recode_as(std::string_view bytes) {
  const auto record = decode<T>(bytes);
  if (!record) return std::unexpected(record.error());
  std::string fresh = encode(*record);
  return Secret::take(fresh);
}
struct Recoder {
  Kind kind;
  Result<Secret> (*recode)(std::string_view bytes);
};

}  // namespace

std::string encode(const Connection& record) {
  Writer out(Kind::connection, 512);
  for (const auto* field : {&record.id, &record.organization, &record.project, &record.owner}) out.text(*field);
  out.number(static_cast<std::uint8_t>(record.scope));
  for (const auto* field :
       {&record.alias, &record.name, &record.app, &record.auth, &record.type, &record.auth_config, &record.config}) {
    out.text(*field);
  }
  out.count(record.destinations.size());
  for (const auto& destination : record.destinations) {
    out.text(destination.host);
    out.number(destination.port);
    out.text(destination.path_prefix);
  }
  out.text(record.end_user);
  out.list(record.tags);
  out.flag(record.enabled);
  out.number(static_cast<std::uint8_t>(record.status));
  out.text(record.status_reason);
  out.number(record.status_since);
  out.number(record.created);
  out.number(record.updated);
  out.number(record.generation);
  return out.done();
}

template <>
Result<Connection> decode(std::string_view bytes) {
  Reader in(bytes, Kind::connection);
  Connection record;
  for (auto* field : {&record.id, &record.organization, &record.project, &record.owner}) *field = in.text();
  record.scope = in.choice(Scope::organization);
  for (auto* field :
       {&record.alias, &record.name, &record.app, &record.auth, &record.type, &record.auth_config, &record.config}) {
    *field = in.text();
  }
  record.destinations.resize(in.count(10));
  for (auto& destination : record.destinations) {
    destination.host = in.text();
    destination.port = in.number<std::uint16_t>();
    destination.path_prefix = in.text();
  }
  record.end_user = in.text();
  record.tags = in.list();
  record.enabled = in.flag();
  record.status = in.choice(Status::revoked);
  record.status_reason = in.text();
  record.status_since = in.number<std::int64_t>();
  record.created = in.number<std::int64_t>();
  record.updated = in.number<std::int64_t>();
  record.generation = in.number<std::uint64_t>();
  return finish(in, std::move(record), "a connection");
}

std::string encode(const Credential& record) {
  // Sized before it is filled: a string that grows leaves copies of the secrets behind in the heap.
  std::size_t size = 32;
  for (const auto& [name, value] : record.values) size += 8 + name.size() + value.size();
  Writer out(Kind::credential, size);
  out.number(record.generation);
  out.count(record.values.size());
  for (const auto& [name, value] : record.values) {
    out.text(name);
    out.text(value.expose());
  }
  return out.done();
}

template <>
Result<Credential> decode(std::string_view bytes) {
  Reader in(bytes, Kind::credential);
  Credential record;
  record.generation = in.number<std::uint64_t>();
  for (std::size_t left = in.count(8); left != 0; --left) {
    std::string name = in.text();
    if (!record.values.empty() && record.values.rbegin()->first >= name) in.refuse();
    record.values.insert_or_assign(std::move(name), Secret(in.view()));
  }
  return finish(in, std::move(record), "a credential");
}

std::string encode(const Authorization& record) {
  Writer out(Kind::authorization, 512);
  for (const auto* field :
       {&record.id, &record.organization, &record.project, &record.user, &record.name, &record.parent}) {
    out.text(*field);
  }
  out.list(record.capabilities);
  out.list(record.connections);
  out.optional_list(record.hosts);
  out.optional_list(record.methods);
  out.list(record.default_for);
  out.text(record.public_id);
  out.text(record.digest);
  out.number(record.created);
  out.number(record.expires);
  out.number(record.revoked);
  return out.done();
}

template <>
Result<Authorization> decode(std::string_view bytes) {
  Reader in(bytes, Kind::authorization);
  Authorization record;
  for (auto* field : {&record.id, &record.organization, &record.project, &record.user, &record.name, &record.parent}) {
    *field = in.text();
  }
  record.capabilities = in.list();
  record.connections = in.list();
  record.hosts = in.optional_list();
  record.methods = in.optional_list();
  record.default_for = in.list();
  record.public_id = in.text();
  record.digest = in.text();
  record.created = in.number<std::int64_t>();
  record.expires = in.number<std::int64_t>();
  record.revoked = in.number<std::int64_t>();
  return finish(in, std::move(record), "an authorization");
}

std::string encode(const Header& record) {
  Writer out(Kind::header);
  out.text(record.vault_id);
  out.number(record.created);
  out.text(record.active_key);
  out.text(record.digest_key);
  return out.done();
}

template <>
Result<Header> decode(std::string_view bytes) {
  Reader in(bytes, Kind::header);
  Header record;
  record.vault_id = in.text();
  record.created = in.number<std::int64_t>();
  record.active_key = in.text();
  record.digest_key = in.text();
  return finish(in, std::move(record), "a header");
}

std::string encode(const DataKey& record) {
  Writer out(Kind::data_key);
  out.text(record.id);
  out.number(record.created);
  out.text(record.key.expose());
  return out.done();
}

template <>
Result<DataKey> decode(std::string_view bytes) {
  Reader in(bytes, Kind::data_key);
  DataKey record;
  record.id = in.text();
  record.created = in.number<std::int64_t>();
  record.key = Secret(in.view());
  return finish(in, std::move(record), "a data key");
}

std::string encode(const Organization& record) {
  Writer out(Kind::organization);
  out.text(record.id);
  out.number(record.created);
  return out.done();
}

template <>
Result<Organization> decode(std::string_view bytes) {
  Reader in(bytes, Kind::organization);
  Organization record;
  record.id = in.text();
  record.created = in.number<std::int64_t>();
  return finish(in, std::move(record), "an organization");
}

std::string encode(const Project& record) {
  Writer out(Kind::project);
  out.text(record.id);
  out.text(record.organization);
  out.number(record.created);
  return out.done();
}

template <>
Result<Project> decode(std::string_view bytes) {
  Reader in(bytes, Kind::project);
  Project record;
  record.id = in.text();
  record.organization = in.text();
  record.created = in.number<std::int64_t>();
  return finish(in, std::move(record), "a project");
}

std::string encode(const Reference& record) {
  Writer out(Kind::reference);
  out.text(record.organization);
  out.text(record.project);
  out.text(record.id);
  return out.done();
}

template <>
Result<Reference> decode(std::string_view bytes) {
  Reader in(bytes, Kind::reference);
  Reference record;
  record.organization = in.text();
  record.project = in.text();
  record.id = in.text();
  return finish(in, std::move(record), "an index entry");
}

std::string encode(const IndexState& record) {
  Writer out(Kind::index_state);
  out.number(record.version);
  out.flag(record.complete);
  out.text(record.after);
  return out.done();
}

std::string encode(const RotationRecord& record) {
  const Rotation& progress = record.progress;
  Writer out(Kind::rotation);
  out.number(static_cast<std::uint8_t>(progress.state));
  out.text(progress.key_id);
  for (const auto count : {progress.total, progress.done, progress.resealed, progress.unreadable}) out.number(count);
  out.number(progress.started);
  out.number(progress.finished);
  out.text(record.cursor);
  out.number(record.pass_resealed);
  return out.done();
}

template <>
Result<IndexState> decode(std::string_view bytes) {
  Reader in(bytes, Kind::index_state);
  IndexState record;
  record.version = in.number<std::uint8_t>();
  record.complete = in.flag();
  record.after = in.text();
  return finish(in, std::move(record), "the state of the indexes");
}

template <>
Result<RotationRecord> decode(std::string_view bytes) {
  Reader in(bytes, Kind::rotation);
  RotationRecord record;
  Rotation& progress = record.progress;
  progress.state = in.choice(Rotation::State::incomplete);
  progress.key_id = in.text();
  for (auto* count : {&progress.total, &progress.done, &progress.resealed, &progress.unreadable}) {
    *count = in.number<std::uint64_t>();
  }
  progress.started = in.number<std::int64_t>();
  progress.finished = in.number<std::int64_t>();
  record.cursor = in.text();
  record.pass_resealed = in.number<std::uint64_t>();
  return finish(in, std::move(record), "a rotation");
}

std::optional<RecordFormat> format_of(std::string_view bytes) {
  if (bytes.size() < 2) return std::nullopt;
  const auto version = static_cast<std::uint8_t>(bytes[0]);
  const std::uint8_t current = current_version(static_cast<Kind>(bytes[1]));
  if (version == 0 || version > current) return std::nullopt;
  return RecordFormat{.version = version, .current = current};
}

Result<Secret> recode(std::string_view bytes) {
  static constexpr Recoder kRecoders[] = {
      {Kind::connection, recode_as<Connection>},
      {Kind::credential, recode_as<Credential>},
      {Kind::authorization, recode_as<Authorization>},
      {Kind::header, recode_as<Header>},
      {Kind::data_key, recode_as<DataKey>},
      {Kind::organization, recode_as<Organization>},
      {Kind::project, recode_as<Project>},
      {Kind::reference, recode_as<Reference>},
      {Kind::rotation, recode_as<RotationRecord>},
      {Kind::index_state, recode_as<IndexState>},
  };
  if (format_of(bytes)) {
    for (const auto& one : kRecoders) {
      if (one.kind == static_cast<Kind>(bytes[1])) return one.recode(bytes);
    }
  }
  return fail(Error::Code::corrupt, "is a record of no kind or version that this postern knows");
}

}  // namespace postern::vault
