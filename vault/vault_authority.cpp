// The local CA: authority///local, the instance's own.
#include "vault/vault_impl.hpp"
#include "vault/vault_parts.hpp"

namespace postern::vault {
namespace {

constexpr Path kPath{"authority", {}, {}, "local"};

Beside of_instance(const Beside& beside) {
  return about(Reference{.organization = {}, .project = {}, .id = "ca"}, beside);
}

}  // namespace

Result<AuthorityRecord> SealedVault::find_authority() const {
  auto found = records_->read<AuthorityRecord>(kPath);
  if (!found && missing(found.error())) return fail(Error::Code::not_found, "no local CA was made");
  if (!found) return std::unexpected(found.error());
  found->record.version = found->version;
  return std::move(found->record);
}

Result<AuthorityRecord> SealedVault::put_authority(AuthorityRecord authority, std::uint64_t expected_version,
                                                   const Beside& beside) {
  if (authority.certificate.empty()) return invalid("certificate: is missing");
  if (authority.key.empty()) return invalid("key: is missing");
  authority.created = authority.updated = now_ms_();
  if (expected_version != 0) {
    const auto old = find_authority();
    if (!old) return std::unexpected(old.error());
    authority.created = old->created;
  }
  if (authority.certificate.size() + authority.key.size() + authority.previous.size() > kLargestRecord)
    return invalid("the authority is more than 256 KiB");
  const auto done = records_->commit({records_->put(kPath, encode(authority), expected_version)}, of_instance(beside));
  if (!done && outdated(done.error())) {
    if (expected_version == 0) return fail(Error::Code::exists, "there is a local CA already");
    return fail(Error::Code::conflict, "the local CA was changed by someone else meanwhile: read it again");
  }
  if (!done) return std::unexpected(done.error());
  authority.version = expected_version + 1;
  return authority;
}

}  // namespace postern::vault
