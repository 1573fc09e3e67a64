// The records of token_book.hpp as bytes; record_codec.cpp draws their format.
#include "vault/record_bytes.hpp"
#include "vault/record_codec.hpp"

namespace postern::vault {

std::string encode(const AuthConfig& record) {
  // Sized before it is filled, as every record with secrets: a string that grows leaves copies behind in the heap.
  std::size_t size = 256 + encoded_size(record.values) + record.id.size() + record.organization.size() +
                     record.project.size() + record.name.size() + record.provider.size() + record.auth.size() +
                     record.config.size() + record.status_reason.size() + record.status_text.size();
  for (const auto* list : {&record.scopes, &record.hosts}) {
    if (!*list) continue;
    for (const auto& text : **list) size += 4 + text.size();
  }
  Writer out(Kind::auth_config, size);
  for (const auto* field :
       {&record.id, &record.organization, &record.project, &record.name, &record.provider, &record.auth}) {
    out.text(*field);
  }
  out.flag(record.enabled);
  out.text(record.config);
  out.optional_list(record.scopes);
  out.optional_list(record.hosts);
  write_secrets(out, record.values);
  out.number(static_cast<std::uint8_t>(record.status));
  out.text(record.status_reason);
  out.text(record.status_text);
  for (const auto time : {record.status_since, record.created, record.updated}) out.number(time);
  return out.done();
}

template <>
Result<AuthConfig> decode(std::string_view bytes) {
  Reader in(bytes, Kind::auth_config);
  AuthConfig record;
  for (auto* field :
       {&record.id, &record.organization, &record.project, &record.name, &record.provider, &record.auth}) {
    *field = in.text();
  }
  record.enabled = in.flag();
  record.config = in.text();
  record.scopes = in.optional_list();
  record.hosts = in.optional_list();
  record.values = read_secrets(in);
  record.status = in.choice(Status::revoked);
  record.status_reason = in.text();
  record.status_text = in.text();
  for (auto* time : {&record.status_since, &record.created, &record.updated}) *time = in.number<std::int64_t>();
  return finish(in, std::move(record), "an auth config");
}

std::string encode(const Intent& record) {
  Writer out(Kind::intent);
  for (const auto* field : {&record.id, &record.organization, &record.project, &record.connection}) out.text(*field);
  out.number(record.generation);
  out.text(record.holder);
  out.number(record.started);
  out.text(record.digest);
  return out.done();
}

template <>
Result<Intent> decode(std::string_view bytes) {
  Reader in(bytes, Kind::intent);
  Intent record;
  for (auto* field : {&record.id, &record.organization, &record.project, &record.connection}) *field = in.text();
  record.generation = in.number<std::uint64_t>();
  record.holder = in.text();
  record.started = in.number<std::int64_t>();
  record.digest = in.text();
  return finish(in, std::move(record), "an intent");
}

std::string encode(const Link& record) {
  const auto texts = {
      &record.id,           &record.organization,  &record.project,      &record.provider, &record.auth,
      &record.auth_config,  &record.name,          &record.alias,        &record.owner,    &record.end_user,
      &record.config,       &record.connection,    &record.requested_by, &record.reason,   &record.text,
      &record.state_digest, &record.cookie_digest, &record.redirect_uri, &record.account};
  std::size_t size = 256 + record.verifier.size();
  for (const auto* text : texts) size += text->size();
  for (const auto* list : {&record.tags, &record.scopes}) {
    for (const auto& text : *list) size += 4 + text.size();
  }
  if (record.credential) size += encoded_size(*record.credential);
  Writer out(Kind::link, size);
  for (const auto* field : {&record.id, &record.organization, &record.project, &record.provider, &record.auth,
                            &record.auth_config, &record.name, &record.alias}) {
    out.text(*field);
  }
  out.number(static_cast<std::uint8_t>(record.scope));
  out.text(record.owner);
  out.text(record.end_user);
  out.list(record.tags);
  for (const auto* field :
       {&record.config, &record.connection, &record.requested_by, &record.state_digest, &record.cookie_digest}) {
    out.text(*field);
  }
  out.text(record.verifier.expose());
  out.text(record.redirect_uri);
  out.list(record.scopes);
  out.number(static_cast<std::uint8_t>(record.status));
  for (const auto* field : {&record.reason, &record.text, &record.account}) out.text(*field);
  out.flag(record.credential.has_value());
  if (record.credential) write_credential(out, *record.credential);
  out.number(record.created);
  out.number(record.expires);
  return out.done();
}

template <>
Result<Link> decode(std::string_view bytes) {
  Reader in(bytes, Kind::link);
  Link record;
  for (auto* field : {&record.id, &record.organization, &record.project, &record.provider, &record.auth,
                      &record.auth_config, &record.name, &record.alias}) {
    *field = in.text();
  }
  record.scope = in.choice(Scope::organization);
  record.owner = in.text();
  record.end_user = in.text();
  record.tags = in.list();
  for (auto* field :
       {&record.config, &record.connection, &record.requested_by, &record.state_digest, &record.cookie_digest}) {
    *field = in.text();
  }
  record.verifier = Secret(in.view());
  record.redirect_uri = in.text();
  record.scopes = in.list();
  record.status = in.choice(LinkStatus::expired);
  for (auto* field : {&record.reason, &record.text, &record.account}) *field = in.text();
  if (in.flag()) record.credential = read_credential(in, Times::present);
  record.created = in.number<std::int64_t>();
  record.expires = in.number<std::int64_t>();
  return finish(in, std::move(record), "a link");
}

std::string encode(const Previous& record) {
  Writer out(Kind::previous, 256 + record.status_reason.size() + record.status_text.size() + record.account.size() +
                                 encoded_size(record.credential));
  out.number(record.until);
  out.number(static_cast<std::uint8_t>(record.status));
  for (const auto* field : {&record.status_reason, &record.status_text, &record.account}) out.text(*field);
  for (const auto time : {record.last_refresh, record.expires, record.refresh_expires, record.touch}) out.number(time);
  write_credential(out, record.credential);
  return out.done();
}

template <>
Result<Previous> decode(std::string_view bytes) {
  Reader in(bytes, Kind::previous);
  Previous record;
  record.until = in.number<std::int64_t>();
  record.status = in.choice(Status::revoked);
  for (auto* field : {&record.status_reason, &record.status_text, &record.account}) *field = in.text();
  for (auto* time : {&record.last_refresh, &record.expires, &record.refresh_expires, &record.touch}) {
    *time = in.number<std::int64_t>();
  }
  record.credential = read_credential(in, Times::present);
  return finish(in, std::move(record), "a previous credential");
}

std::string encode(const KeptAnswer& record) {
  Writer out(Kind::kept_answer);
  for (const auto* field : {&record.organization, &record.key, &record.body}) out.text(*field);
  out.number(record.status);
  for (const auto* field : {&record.id, &record.project}) out.text(*field);
  out.flag(record.token);
  out.number(record.created);
  return out.done();
}

template <>
Result<KeptAnswer> decode(std::string_view bytes) {
  Reader in(bytes, Kind::kept_answer);
  KeptAnswer record;
  for (auto* field : {&record.organization, &record.key, &record.body}) *field = in.text();
  record.status = in.number<std::uint16_t>();
  for (auto* field : {&record.id, &record.project}) *field = in.text();
  record.token = in.flag();
  record.created = in.number<std::int64_t>();
  return finish(in, std::move(record), "a kept answer");
}

}  // namespace postern::vault
