#include "vault/record_codec.hpp"

// Longer than most files here: writers and readers of one format stay side by side.
// The format, frozen by tests/golden/vault. A new field means a new version byte and a reader for the old one.
//
//   record        := version kind body
//   version       := %x01
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
//   index-state   := 16: index-version complete after     ; one byte, %x00 | %x01, text
//
//   text          := length bytes         ; every field that is not named here
//   list          := count *text          ; capabilities connections default-for tags
//   optional list := %x00 | %x01 list     ; hosts? methods?
//   destinations  := count *(host port path-prefix)
//   scope status  := one byte; enabled := %x00 | %x01; port := 2 bytes
//   length count  := 4 bytes
//   generation    := 8 bytes; created updated expires revoked status-since := 8 bytes, two's complement
//   Numbers are big endian.
#include <type_traits>

namespace postern::vault {
namespace {

constexpr std::uint8_t kVersion = 1;

enum class Kind : std::uint8_t {
  connection = 1,
  credential = 2,
  authorization = 3,
  header = 4,
  data_key = 5,
  organization = 6,
  project = 7,
  reference = 8,
  index_state = 16,
};

class Writer {
 public:
  explicit Writer(Kind kind, std::size_t expected_size = 256) {
    bytes_.reserve(expected_size);
    number(kVersion);
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
    if (number<std::uint8_t>() != kVersion) good_ = false;
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
  bool good_ = true;
};

template <class T>
Result<T> finish(const Reader& in, T record, const char* name) {
  if (in.good()) return record;
  return fail(Error::Code::corrupt,
              std::string("a record does not decode as ") + name + " (damaged, or written by a newer postern)");
}

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

template <>
Result<IndexState> decode(std::string_view bytes) {
  Reader in(bytes, Kind::index_state);
  IndexState record;
  record.version = in.number<std::uint8_t>();
  record.complete = in.flag();
  record.after = in.text();
  return finish(in, std::move(record), "the state of the indexes");
}

}  // namespace postern::vault
