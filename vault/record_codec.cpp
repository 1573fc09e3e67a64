#include "vault/record_codec.hpp"

// Longer than most files here: the format is drawn in one place. Its records of tokens are in record_codec_tokens.cpp,
// those that say who may do what in record_codec_scopes.cpp, those of the audit in record_codec_audit.cpp,
// the local CA in record_codec_authority.cpp.
// The format, frozen by tests/golden/vault. A new field means a new version byte and a reader for the old one.
//
//   record        := version kind body
//   version       := one byte             ; of that kind of record, 1 to current_version()
//   kind          := one byte, the number before each body below
//   connection    := 1:  id organization project owner scope alias name app auth type auth-config config
//                        destinations end-user tags enabled status status-reason status-since created updated
//                        generation
//                        status-text account last-refresh expires refresh-expires touch       ; from version 2 on
//                        previous-until                                                       ; from version 3 on
//   credential    := 2:  generation secrets
//                        times?                              ; from version 2 on
//   authorization := 3:  id organization project user name parent capabilities connections hosts? methods?
//                        default-for public-id digest created expires revoked
//                        projects? paths? total? writes? run                                  ; from version 2 on
//   header        := 4:  vault-id created active-key digest-key
//   data-key      := 5:  id created key
//   organization  := 6:  id created
//                        name enabled updated                ; from version 2 on
//   project       := 7:  id organization created
//                        name updated                        ; from version 2 on
//   reference     := 8:  organization project id
//   rotation      := 9:  state key-id total done resealed unreadable started finished cursor pass-resealed
//   auth-config   := 10: id organization project name provider auth enabled config scopes? hosts? secrets status
//                        status-reason status-text status-since created updated
//   intent        := 11: id organization project connection generation holder started digest
//   link          := 12: id organization project provider auth auth-config name alias scope owner end-user tags config
//                        connection requested-by state-digest cookie-digest verifier redirect-uri scopes link-status
//                        reason text account tokens? created expires
//   user          := 13: id organization name email administrator projects enabled created updated
//   spent         := 14: organization id total-calls write-calls
//   kept-answer   := 15: organization key body answered id project token created
//   index-state   := 16: index-version complete after     ; one byte, %x00 | %x01, text
//   event         := 17: organization sequence time actor actor-name request action subject project detail times-seen
//                        first last missed missed-since mac  ; mac: HMAC of what is before it (audit_chain.hpp)
//   audit-head    := 18: organization sequence mac checkpoint-sequence checkpoint-mac checkpoint-time bytes dropped
//                        dropped-since
//   imported      := 19: id yaml enabled digest created updated
//   previous      := 20: until status status-reason status-text account last-refresh expires refresh-expires
//                        touch generation secrets times?
//   authority     := 21: certificate key previous created updated
//
//   text          := length bytes         ; every field that is not named here
//   list          := count *text          ; capabilities connections default-for tags scopes
//   optional list := %x00 | %x01 list     ; hosts? methods? scopes? paths?
//   detail        := count *(name value)  ; names strictly ascending
//   projects      := count *(project role); projects? := %x00 | %x01 projects
//   total? writes? := %x00 | %x01 8 bytes
//   secrets       := count *(name value)  ; names strictly ascending
//   times?        := %x00 | %x01 sent sent-boot boot-id lifetime? granted touched
//   lifetime?     := %x00 | %x01 8 bytes
//   tokens?       := %x00 | %x01 generation secrets times?
//   destinations  := count *(host port path-prefix)
//   scope status link-status state role := one byte; enabled administrator token := %x00 | %x01
//   port answered := 2 bytes
//   length count  := 4 bytes
//   generation total done resealed unreadable pass-resealed total-calls write-calls sequence times-seen missed
//   checkpoint-sequence bytes dropped := 8 bytes; started finished created updated expires revoked status-since
//   last-refresh refresh-expires touch previous-until until sent sent-boot touched first last missed-since
//   checkpoint-time dropped-since := 8 bytes, two's complement Numbers are big endian.
#include "vault/record_bytes.hpp"

namespace postern::vault {
namespace {

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
  out.text(record.status_text);
  out.text(record.account);
  for (const auto time : {record.last_refresh, record.expires, record.refresh_expires, record.touch}) out.number(time);
  out.number(record.previous_until);
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
  if (in.version() >= 2) {
    record.status_text = in.text();
    record.account = in.text();
    for (auto* time : {&record.last_refresh, &record.expires, &record.refresh_expires, &record.touch}) {
      *time = in.number<std::int64_t>();
    }
  }
  if (in.version() >= 3) record.previous_until = in.number<std::int64_t>();
  return finish(in, std::move(record), "a connection");
}

std::size_t encoded_size(const SecretMap& values) {
  std::size_t size = 4;
  for (const auto& [name, value] : values) size += 8 + name.size() + value.size();
  return size;
}

void write_secrets(Writer& out, const SecretMap& values) {
  out.count(values.size());
  for (const auto& [name, value] : values) {
    out.text(name);
    out.text(value.expose());
  }
}

SecretMap read_secrets(Reader& in) {
  SecretMap values;
  for (std::size_t left = in.count(8); left != 0; --left) {
    std::string name = in.text();
    if (!values.empty() && values.rbegin()->first >= name) in.refuse();
    values.insert_or_assign(std::move(name), Secret(in.view()));
  }
  return values;
}

std::size_t encoded_size(const Credential& record) {
  std::size_t size = 64 + encoded_size(record.values);
  if (record.times) size += record.times->boot_id.size() + record.times->scope.size();
  return size;
}

void write_credential(Writer& out, const Credential& record) {
  out.number(record.generation);
  write_secrets(out, record.values);
  out.flag(record.times.has_value());
  if (!record.times) return;
  const TokenTimes& times = *record.times;
  out.number(times.sent_ms);
  out.number(times.sent_boot_ms);
  out.text(times.boot_id);
  out.flag(times.lifetime_ms.has_value());
  if (times.lifetime_ms) out.number(*times.lifetime_ms);
  out.text(times.scope);
  out.number(times.touched_ms);
}

Credential read_credential(Reader& in, Times times) {
  Credential record;
  record.generation = in.number<std::uint64_t>();
  record.values = read_secrets(in);
  if (times == Times::absent || !in.flag()) return record;
  TokenTimes& read = record.times.emplace();
  read.sent_ms = in.number<std::int64_t>();
  read.sent_boot_ms = in.number<std::int64_t>();
  read.boot_id = in.text();
  if (in.flag()) read.lifetime_ms = in.number<std::int64_t>();
  read.scope = in.text();
  read.touched_ms = in.number<std::int64_t>();
  return record;
}

std::string encode(const Credential& record) {
  // Sized before it is filled: a string that grows leaves copies of the secrets behind in the heap.
  Writer out(Kind::credential, encoded_size(record));
  write_credential(out, record);
  return out.done();
}

template <>
Result<Credential> decode(std::string_view bytes) {
  Reader in(bytes, Kind::credential);
  Credential record = read_credential(in, in.version() >= 2 ? Times::present : Times::absent);
  return finish(in, std::move(record), "a credential");
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
      {Kind::auth_config, recode_as<AuthConfig>},
      {Kind::intent, recode_as<Intent>},
      {Kind::link, recode_as<Link>},
      {Kind::user, recode_as<User>},
      {Kind::spent, recode_as<Spent>},
      {Kind::index_state, recode_as<IndexState>},
      {Kind::event, recode_as<Event>},
      {Kind::audit_head, recode_as<AuditHead>},
      {Kind::imported_provider, recode_as<ImportedProvider>},
      {Kind::kept_answer, recode_as<KeptAnswer>},
      {Kind::previous, recode_as<Previous>},
      {Kind::authority, recode_as<AuthorityRecord>},
  };
  if (format_of(bytes)) {
    for (const auto& one : kRecoders) {
      if (one.kind == static_cast<Kind>(bytes[1])) return one.recode(bytes);
    }
  }
  return fail(Error::Code::corrupt, "is a record of no kind or version that this postern knows");
}

}  // namespace postern::vault
