// The record of the local CA as bytes; record_codec.cpp draws its format.
#include "vault/record_bytes.hpp"
#include "vault/record_codec.hpp"

namespace postern::vault {

std::string encode(const AuthorityRecord& record) {
  Writer out(Kind::authority, 64 + record.certificate.size() + record.key.size() + record.previous.size());
  out.text(record.certificate);
  out.text(record.key.expose());
  out.text(record.previous);
  out.number(record.created);
  out.number(record.updated);
  return out.done();
}

template <>
Result<AuthorityRecord> decode(std::string_view bytes) {
  Reader in(bytes, Kind::authority);
  AuthorityRecord record;
  record.certificate = in.text();
  record.key = Secret(in.view());
  record.previous = in.text();
  record.created = in.number<std::int64_t>();
  record.updated = in.number<std::int64_t>();
  return finish(in, std::move(record), "an authority");
}

}  // namespace postern::vault
