// Authorizations, and the tokens that lead to them.
#include <algorithm>

#include "vault/digest.hpp"
#include "vault/token.hpp"
#include "vault/vault_impl.hpp"
#include "vault/vault_parts.hpp"

namespace postern::vault {
namespace {

Path authorization_path(std::string_view organization, std::string_view id) {
  return {"authorization", organization, {}, id};
}
Path token_path(std::string_view public_id) {
  return {"token", {}, {}, public_id};
}

std::unexpected<Error> unknown() {
  return fail(Error::Code::not_found, "no such authorization");
}
std::unexpected<Error> no_token() {
  return fail(Error::Code::not_found, "not a token of this vault");
}
bool is_organization(std::string_view text) {
  return text.empty() || is_reference(text);
}

Result<void> check_rules(const Authorization& authorization) {
  if (!is_organization(authorization.organization)) return invalid("organization: not an id");
  if (!authorization.project.empty() && !is_reference(authorization.project)) return invalid("project: not an id");
  if (authorization.organization.empty() && (!authorization.project.empty() || authorization.projects)) {
    return invalid("project: a system authorization has none");
  }
  if (authorization.expires == 0 && !authorization.organization.empty()) {
    return invalid("expires: only a system authorization may never expire");
  }
  const auto& connections = authorization.connections;
  if (std::ranges::find(connections, "*") != connections.end() && connections.size() != 1) {
    return invalid("connections: \"*\" stands alone");
  }
  if (encode(authorization).size() > kLargestRecord) return invalid("the authorization is more than 256 KiB");
  return {};
}

}  // namespace

Result<NewToken> SealedVault::create_authorization(Authorization authorization, const Beside& beside) {
  if (auto fine = check_rules(authorization); !fine) return std::unexpected(fine.error());
  const auto inside = hold_scopes();
  if (auto fine = check_subject(authorization); !fine) return std::unexpected(fine.error());
  FreshToken token = make_token();
  authorization.id = new_id("tok");
  authorization.public_id = token.public_id;
  authorization.digest = records_->keyring().digest(Keyring::Use::token, token.text.expose());
  authorization.created = now_ms_();
  const Reference to{authorization.organization, authorization.project, authorization.id};

  const auto done = records_->commit(
      {
          records_->put(authorization_path(to.organization, to.id), encode(authorization), 0),
          records_->put(token_path(authorization.public_id), encode(to), 0),
      },
      about(authorization, beside));
  if (!done) return std::unexpected(done.error());
  authorization.version = 1;
  return NewToken{std::move(authorization), std::move(token.text)};
}

Result<Authorization> SealedVault::authenticate(std::string_view token) const {
  const auto public_id = public_id_of(token);
  if (!public_id) return no_token();
  // The digest is made and compared whether there is a record or not, so that only the store's own answer differs.
  const std::string digest = records_->keyring().digest(Keyring::Use::token, token);
  std::string stored(kDigestSize, '\0');
  Result<Authorization> found = no_token();
  if (const auto to = records_->read<Reference>(token_path(*public_id)); to) {
    found = read_authorization(to->record.organization, to->record.id);
    if (found) stored = found->digest;
  } else {
    found = std::unexpected(to.error());
  }
  const bool same = equal_in_constant_time(digest, stored);
  if (!found) return missing(found.error()) ? no_token() : std::move(found);
  if (!same || found->public_id != *public_id) return no_token();
  return found;
}

Result<Authorization> SealedVault::find_authorization(std::string_view organization, std::string_view id) const {
  if (!is_organization(organization) || !looks_like_id(id)) return unknown();
  return read_authorization(organization, id);
}

// The write of a change, checked; the authorization as it is after it.
Result<Authorization> SealedVault::stage(Batch& batch, Authorization authorization) const {
  if (auto fine = check_rules(authorization); !fine) return std::unexpected(fine.error());
  const auto old = find_authorization(authorization.organization, authorization.id);
  if (!old) return old;
  if (old->version != authorization.version) {
    return fail(Error::Code::conflict, "the authorization was changed by someone else meanwhile: read it again");
  }
  authorization.parent = old->parent;
  authorization.public_id = old->public_id;
  authorization.digest = old->digest;
  authorization.created = old->created;
  const auto path = authorization_path(authorization.organization, authorization.id);
  batch.push_back(records_->put(path, encode(authorization), old->version));
  authorization.version = old->version + 1;
  return authorization;
}

Result<Authorization> SealedVault::update_authorization(Authorization authorization, const Beside& beside) {
  Batch batch;
  auto changed = stage(batch, std::move(authorization));
  if (!changed) return changed;
  const auto done = records_->commit(batch, about(*changed, beside));
  if (!done) return std::unexpected(done.error());
  return changed;
}

Result<void> SealedVault::update_authorizations(const std::vector<Authorization>& all, const Beside& beside) {
  if (all.empty()) return {};
  Batch batch;
  for (const auto& one : all) {
    const auto changed = stage(batch, one);
    if (!changed) return std::unexpected(changed.error());
  }
  return records_->commit(batch, about(all.front(), beside));
}

Result<void> SealedVault::erase_authorization(std::string_view organization, std::string_view id,
                                              const Beside& beside) {
  for (;;) {
    const auto old = find_authorization(organization, id);
    if (!old) return std::unexpected(old.error());
    auto done = records_->commit(
        {
            Records::erase(authorization_path(organization, id), old->version),
            Records::erase(token_path(old->public_id), kAnyVersion),
            Records::erase(spent_path(organization, id), kAnyVersion),
        },
        about(*old, beside));
    // Whoever changed it meanwhile got on: whatever it is now goes, or it is gone.
    if (done || done.error().code != Error::Code::conflict) return done;
  }
}

Result<std::vector<Authorization>> SealedVault::list_authorizations(std::string_view organization,
                                                                    std::string_view after, std::size_t limit) const {
  std::vector<Authorization> all;
  if (!is_organization(organization)) return all;
  const auto listed =
      records_->list(authorization_path(organization, after), std::clamp<std::size_t>(limit, 1, kLargestPage));
  if (!listed) return std::unexpected(listed.error());
  for (const auto& id : listed->ids) {
    auto found = read_authorization(organization, id);
    if (!found && missing(found.error())) continue;  // erased since it was listed
    if (!found) return std::unexpected(found.error());
    all.push_back(std::move(*found));
  }
  return all;
}

Result<Authorization> SealedVault::read_authorization(std::string_view organization, std::string_view id) const {
  const auto path = authorization_path(organization, id);
  auto found = records_->read<Authorization>(path);
  if (!found) return missing(found.error()) ? unknown() : std::unexpected(found.error());
  Authorization& record = found->record;
  if (record.id != id || record.organization != organization) {
    return fail(Error::Code::corrupt, path.key() + ": the record is another authorization's");
  }
  record.version = found->version;
  return std::move(record);
}

Result<std::vector<Authorization>> makers_of(const Vault& vault, const Authorization& authorization) {
  constexpr std::size_t kMost = 1000;  // more than anybody may make: a circle
  std::vector<Authorization> makers;
  std::string id = authorization.parent;
  while (!id.empty()) {
    // In its own organization, or above all of them.
    auto maker = vault.find_authorization(authorization.organization, id);
    if (!maker && missing(maker.error()) && !authorization.organization.empty()) {
      maker = vault.find_authorization({}, id);
    }
    if (!maker && missing(maker.error())) return fail(Error::Code::not_found, "one that made it is gone");
    if (!maker) return std::unexpected(maker.error());
    if (maker->revoked != 0) return fail(Error::Code::not_found, "one that made it was revoked");
    if (makers.size() == kMost) return fail(Error::Code::corrupt, authorization.id + ": its makers lead in a circle");
    id = maker->parent;
    makers.push_back(std::move(*maker));
  }
  return makers;
}

Result<Standing> standing_of(const Vault& vault, const Authorization& authorization, std::int64_t now_ms) {
  auto makers = makers_of(vault, authorization);
  if (!makers) return std::unexpected(makers.error());
  Standing found{.makers = std::move(*makers), .user = {}, .expires = authorization.expires};
  for (const Authorization& maker : found.makers) {
    if (maker.expires == 0) continue;
    if (maker.expires <= now_ms) return fail(Error::Code::not_found, "one that made it has expired");
    found.expires = found.expires == 0 ? maker.expires : std::min(found.expires, maker.expires);
  }
  if (authorization.organization.empty()) return found;
  const auto organization = vault.scopes().find_organization(authorization.organization);
  if (!organization && !missing(organization.error())) return std::unexpected(organization.error());
  if (!organization || !organization->enabled) {
    return fail(Error::Code::not_found, "its organization is gone or disabled");
  }
  if (!names_user(authorization.user)) return found;
  auto user = vault.scopes().find_user(authorization.organization, authorization.user);
  if (!user && !missing(user.error())) return std::unexpected(user.error());
  if (!user || !user->enabled) return fail(Error::Code::not_found, "its user is gone or disabled");
  found.user = std::move(*user);
  return found;
}

}  // namespace postern::vault
