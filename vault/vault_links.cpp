// Links: one attempt each to connect an account in a browser, found by id, by state, and by their end.
#include <array>

#include "vault/digest.hpp"
#include "vault/encoding.hpp"
#include "vault/vault_impl.hpp"
#include "vault/vault_parts.hpp"

namespace postern::vault {
namespace {

constexpr std::int64_t kLifetimeMs = 10 * 60 * 1000;
constexpr std::int64_t kKeptMs = 60 * 60 * 1000;  // behind its end, so that who asks learns what became of it

Path link_path(const Link& of) {
  return {"link", of.organization, of.project, of.id};
}
Path locator_path(std::string_view id) {
  return {"link_locator", {}, {}, id};
}
Path state_path(std::string_view digest) {
  return {"state", {}, {}, digest};
}
Path end_path(std::string_view last) {
  return {"ends", {}, {}, last};
}

std::string end_name(const Records& records, const Link& link) {
  return moment(records, link.expires, link.organization, link.id);
}

std::unexpected<Error> unknown() {
  return fail(Error::Code::not_found, "no such link");
}
std::unexpected<Error> changed() {
  return fail(Error::Code::conflict, "the link was changed by someone else meanwhile: read it again");
}

Result<void> check_rules(const Link& link) {
  if (!is_reference(link.organization)) return invalid("organization: not an id");
  if (!is_reference(link.project)) return invalid("project: not an id");
  if (!is_reference(link.provider)) return invalid("provider: must be 1 to 64 of A-Z a-z 0-9 _ -");
  if (!link.alias.empty() && !is_reference(link.alias)) return invalid("alias: must be 1 to 64 of A-Z a-z 0-9 _ -");
  std::string bytes = encode(link);
  const bool large = bytes.size() > kLargestRecord;
  wipe(bytes);
  if (large) return invalid("the link is more than 256 KiB");
  return {};
}

Reference reference_to(const Link& link) {
  return {link.organization, link.project, link.id};
}

}  // namespace

std::vector<std::string> link_index_keys(const Records& records, const Link& link) {
  std::vector<std::string> keys{locator_path(link.id).key(), end_path(end_name(records, link)).key()};
  if (!link.state_digest.empty()) keys.push_back(state_path(link.state_digest).key());
  return keys;
}

std::string SealedVault::state_name(std::string_view state) const {
  return hex(records_->keyring().digest(Keyring::Use::index, length_prefixed({"state", state})));
}

Result<Link> SealedVault::create_link(Link link, const Beside& beside) {
  link.id = new_id("link");
  link.created = now_ms_();
  if (link.expires == 0) link.expires = link.created + kLifetimeMs;
  link.state_digest.clear();
  if (auto fine = check_rules(link); !fine) return std::unexpected(fine.error());
  const auto inside = hold_scopes();
  if (auto fine = check_scope(link.organization, link.project); !fine) return std::unexpected(fine.error());
  const auto done = records_->commit(
      {
          records_->put(link_path(link), encode(link), 0),
          records_->put(locator_path(link.id), encode(reference_to(link)), 0),
          records_->put(end_path(end_name(*records_, link)), encode(reference_to(link)), 0),
      },
      about(link, beside));
  if (!done) return std::unexpected(done.error());
  link.version = 1;
  return link;
}

Result<Link> SealedVault::read_link(std::string_view organization, std::string_view project,
                                    std::string_view id) const {
  const Path path{"link", organization, project, id};
  auto found = records_->read<Link>(path);
  if (!found) return missing(found.error()) ? unknown() : std::unexpected(found.error());
  Link& record = found->record;
  if (record.id != id || record.organization != organization || record.project != project) return astray(path);
  record.version = found->version;
  return std::move(record);
}

Result<Link> SealedVault::find_link(Space space, std::string_view id) const {
  if (!looks_like_id(id) || !is_reference(space.organization) || !is_reference(space.project)) return unknown();
  return read_link(space.organization, space.project, id);
}

Result<Link> SealedVault::find_link(std::string_view id) const {
  if (!looks_like_id(id)) return unknown();
  const Path locator = locator_path(id);
  for (int look = 0; look < kLooks; ++look) {
    const auto located = records_->read<Reference>(locator);
    if (!located) return missing(located.error()) ? unknown() : std::unexpected(located.error());
    if (located->record.id != id) return astray(locator);
    auto found = read_link(located->record.organization, located->record.project, id);
    if (found || !missing(found.error())) return found;  // else erased since, or the locator leads nowhere
  }
  return astray(locator);
}

Result<Link> SealedVault::find_link_by_state(std::string_view state) const {
  const std::string name = state_name(state);
  const Path index = state_path(name);
  for (int look = 0; look < kLooks; ++look) {
    const auto to = records_->read<Reference>(index);
    if (!to) return missing(to.error()) ? unknown() : std::unexpected(to.error());
    auto found = read_link(to->record.organization, to->record.project, to->record.id);
    if (!found && !missing(found.error())) return found;
    if (found && found->state_digest == name) return found;
  }
  return astray(index);
}

Result<Link> SealedVault::update_link(Link link, std::string_view state, const Beside& beside) {
  const auto old = find_link({link.organization, link.project}, link.id);
  if (!old) return std::unexpected(old.error());
  if (old->version != link.version) return changed();
  link.requested_by = old->requested_by;
  link.created = old->created;
  link.expires = old->expires;
  if (!state.empty()) {
    link.state_digest = state_name(state);
  } else if (!link.state_digest.empty()) {
    link.state_digest = old->state_digest;
  }
  if (auto fine = check_rules(link); !fine) return std::unexpected(fine.error());
  Batch batch{records_->put(link_path(link), encode(link), old->version)};
  const bool moved = link.state_digest != old->state_digest;
  if (moved && !old->state_digest.empty()) {
    batch.push_back(Records::erase(state_path(old->state_digest), kAnyVersion));
  }
  if (moved && !link.state_digest.empty()) {
    batch.push_back(records_->put(state_path(link.state_digest), encode(reference_to(link)), 0));
  }
  if (const auto done = records_->commit(batch, about(link, beside)); !done) {
    if (!outdated(done.error())) return std::unexpected(done.error());
    const auto taken = records_->read<Reference>(state_path(link.state_digest));
    if (moved && taken && taken->record.id != link.id) return fail(Error::Code::exists, "state: it is another link's");
    return changed();
  }
  link.version = old->version + 1;
  return link;
}

Result<void> SealedVault::erase_link(Space space, std::string_view id, const Beside& beside) {
  for (;;) {
    const auto old = find_link(space, id);
    if (!old) return std::unexpected(old.error());
    Batch batch{Records::erase(link_path(*old), old->version), Records::erase(locator_path(old->id), kAnyVersion),
                Records::erase(end_path(end_name(*records_, *old)), kAnyVersion)};
    if (!old->state_digest.empty()) batch.push_back(Records::erase(state_path(old->state_digest), kAnyVersion));
    auto done = records_->commit(batch, about(*old, beside));
    // Whoever changed it meanwhile got on: whatever it is now goes, or it is gone.
    if (done || !outdated(done.error())) return done;
  }
}

Result<std::size_t> SealedVault::sweep_links(std::int64_t now_ms) {
  const auto ended = moments_before(*records_, "ends", now_ms - kKeptMs, {}, kLargestPage);
  if (!ended) return std::unexpected(ended.error());
  std::size_t erased = 0;
  for (const auto& [entry, to] : *ended) {
    const auto done = erase_link({to.organization, to.project}, to.id, {});
    if (!done && !missing(done.error())) return std::unexpected(done.error());
    if (done) ++erased;
  }
  return erased;
}

}  // namespace postern::vault
