// The local CA: authority///local, the instance's own; and the hosts that one could be made for.
#include <set>

#include "vault/vault_impl.hpp"
#include "vault/vault_parts.hpp"

namespace postern::vault {
namespace {

constexpr Path kPath{"authority", {}, {}, "local"};

// Its event is in the system's chain; what is kept of a call names no id, because there is but one.
Beside of_instance(Beside beside) {
  if (beside.event) beside.event->organization = beside.event->project = "";
  if (beside.event) beside.event->subject = "ca";
  return beside;
}

std::unexpected<Error> changed() {
  return fail(Error::Code::conflict, "the local CA was changed by someone else meanwhile: read it again");
}

Result<void> add_hosts(const Vault& vault, const std::string& organization, std::size_t most,
                       std::set<std::string>& hosts) {
  ConnectionQuery query;
  query.organization = organization;
  query.limit = kLargestPage;
  for (bool more = true; more && hosts.size() < most;) {
    const auto page = vault.list_connections(query);
    if (!page) return std::unexpected(page.error());
    for (const Connection& one : page->data)
      for (const Destination& to : one.destinations)
        if (hosts.size() < most) hosts.insert(to.host);
    more = page->has_more && !page->data.empty();
    if (more) query.after = page->data.back().id;
  }
  return {};
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
    return changed();
  }
  if (!done) return std::unexpected(done.error());
  authority.version = expected_version + 1;
  return authority;
}

Result<void> SealedVault::erase_authority(std::uint64_t expected_version, const Beside& beside) {
  const auto old = find_authority();
  if (!old) return std::unexpected(old.error());
  if (expected_version != 0 && old->version != expected_version) return changed();
  auto done = records_->commit({Records::erase(kPath, old->version)}, of_instance(beside));
  if (!done && outdated(done.error())) return changed();
  return done;
}

Result<std::vector<std::string>> hosts_in_use(const Vault& vault, std::size_t most) {
  std::set<std::string> hosts;
  std::string after;
  for (bool more = true; more && hosts.size() < most;) {
    const auto page = vault.scopes().list_organizations(after, kLargestPage);
    if (!page) return std::unexpected(page.error());
    for (const Organization& one : page->data)
      if (auto added = add_hosts(vault, one.id, most, hosts); !added) return std::unexpected(added.error());
    more = page->has_more && !page->data.empty();
    if (more) after = page->data.back().id;
  }
  return std::vector<std::string>(hosts.begin(), hosts.end());
}

}  // namespace postern::vault
