// The record of imports.hpp as bytes; record_codec.cpp draws its format.
#include "vault/record_bytes.hpp"
#include "vault/record_codec.hpp"

namespace postern::vault {

std::string encode(const ImportedProvider& record) {
  Writer out(Kind::imported_provider, 256 + record.yaml.size());
  out.text(record.id);
  out.text(record.yaml);
  out.flag(record.enabled);
  out.text(record.digest);
  out.number(record.created);
  out.number(record.updated);
  return out.done();
}

template <>
Result<ImportedProvider> decode(std::string_view bytes) {
  Reader in(bytes, Kind::imported_provider);
  ImportedProvider record;
  record.id = in.text();
  record.yaml = in.text();
  record.enabled = in.flag();
  record.digest = in.text();
  record.created = in.number<std::int64_t>();
  record.updated = in.number<std::int64_t>();
  return finish(in, std::move(record), "an imported provider");
}

}  // namespace postern::vault
