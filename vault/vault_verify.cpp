// Verification: every record opens, decodes, lies where it says, and every index leads both ways. And migration. As
// long as it is because each kind of record has its rule here, and the table of them is one.
#include <algorithm>

#include "vault/kept_answers.hpp"
#include "vault/vault_impl.hpp"
#include "vault/vault_parts.hpp"

namespace postern::vault {
namespace {

constexpr std::size_t kMostRecords = 10'000;

std::unexpected<Error> bad(std::string_view what) {
  return fail(Error::Code::corrupt, std::string(what));
}

std::string type_of(std::string_view key) {
  return std::string(key.substr(0, key.find('/')));
}

// The record of a page, decoded.
template <class T>
Result<T> decoded(const Records& records, const Entry& entry) {
  const auto plaintext = records.open(entry);
  if (!plaintext) return std::unexpected(plaintext.error());
  return decode<T>(plaintext->expose());
}

// True if an index entry at `path` leads to this record.
Result<bool> leads_to(const Records& records, const Path& path, std::string_view organization, std::string_view project,
                      std::string_view id) {
  const auto to = records.read<Reference>(path);
  if (!to && to.error().code == Error::Code::not_found) return false;
  if (!to) return std::unexpected(to.error());
  return to->record.organization == organization && to->record.project == project && to->record.id == id;
}

// What an index entry leads to; a record that is not there is an error of the entry.
template <class T>
Result<T> target(const Records& records, const Path& path) {
  auto found = records.read<T>(path);
  if (!found && found.error().code == Error::Code::not_found) return bad("leads to a record that is not there");
  if (!found) return std::unexpected(found.error());
  return std::move(found->record);
}

Result<void> verify_credential(const Records& records, const Entry& entry, const Path& path) {
  const auto credential = decoded<Credential>(records, entry);
  if (!credential) return std::unexpected(credential.error());
  const auto meta = target<Connection>(records, {"connection", path.organization, path.project, path.id});
  if (!meta) return std::unexpected(meta.error());
  if (credential->generation != entry.version || meta->generation != entry.version) {
    return bad("is not of the generation that its connection names");
  }
  return {};
}

Result<void> verify_authorization(const Records& records, const Entry& entry, const Path& path) {
  const auto record = decoded<Authorization>(records, entry);
  if (!record) return std::unexpected(record.error());
  if (record->id != path.id || record->organization != path.organization) return bad("is another authorization's");
  const auto token =
      leads_to(records, {"token", {}, {}, record->public_id}, record->organization, record->project, record->id);
  if (!token) return std::unexpected(token.error());
  if (!*token) return bad("has no token entry that leads to it");
  return {};
}

Result<void> verify_spent(const Records& records, const Entry& entry, const Path& path) {
  const auto record = decoded<Spent>(records, entry);
  if (!record) return std::unexpected(record.error());
  if (record->id != path.id || record->organization != path.organization) return bad("is another authorization's");
  const auto of = target<Authorization>(records, {"authorization", path.organization, {}, path.id});
  if (!of) return std::unexpected(of.error());
  if (record->calls.total > of->budget.total.value_or(0) || record->calls.writes > of->budget.writes.value_or(0)) {
    return bad("is more than the authorization's budget");
  }
  return {};
}

Result<void> verify_token(const Records& records, const Entry& entry, const Path& path) {
  const auto to = decoded<Reference>(records, entry);
  if (!to) return std::unexpected(to.error());
  const auto record = target<Authorization>(records, {"authorization", to->organization, {}, to->id});
  if (!record) return std::unexpected(record.error());
  if (record->public_id != path.id) return bad("leads to an authorization with another token");
  return {};
}

Result<void> verify_locator(const Records& records, const Entry& entry, const Path& path) {
  const auto to = decoded<Reference>(records, entry);
  if (!to) return std::unexpected(to.error());
  if (to->id != path.id || to->organization != path.organization) return bad("leads to another connection");
  const auto record = target<Connection>(records, {"connection", to->organization, to->project, to->id});
  if (!record) return std::unexpected(record.error());
  return {};
}

Result<void> verify_auth_config(const Records& records, const Entry& entry, const Path& path) {
  const auto record = decoded<AuthConfig>(records, entry);
  if (!record) return std::unexpected(record.error());
  if (record->id != path.id || record->organization != path.organization || record->project != path.project) {
    return bad("is another auth config's");
  }
  const auto located =
      leads_to(records, auth_locator_path(path.organization, path.id), path.organization, path.project, path.id);
  if (!located) return std::unexpected(located.error());
  if (!*located) return bad("has no locator that leads to it");
  return {};
}

Result<void> verify_auth_locator(const Records& records, const Entry& entry, const Path& path) {
  const auto to = decoded<Reference>(records, entry);
  if (!to) return std::unexpected(to.error());
  if (to->id != path.id || to->organization != path.organization) return bad("leads to another auth config");
  const auto record = target<AuthConfig>(records, {"auth_config", to->organization, to->project, to->id});
  if (!record) return std::unexpected(record.error());
  return {};
}

Result<void> verify_intent(const Records& records, const Entry& entry, const Path& path) {
  const auto record = decoded<Intent>(records, entry);
  if (!record) return std::unexpected(record.error());
  if (record->connection != path.id || record->organization != path.organization || record->project != path.project) {
    return bad("is another connection's");
  }
  const auto meta = target<Connection>(records, {"connection", path.organization, path.project, path.id});
  if (!meta) return std::unexpected(meta.error());
  if (meta->generation != record->generation) return bad("is of another generation than its connection");
  return {};
}

Result<void> verify_previous(const Records& records, const Entry& entry, const Path& path) {
  const auto record = decoded<Previous>(records, entry);
  if (!record) return std::unexpected(record.error());
  const auto meta = target<Connection>(records, {"connection", path.organization, path.project, path.id});
  if (!meta) return std::unexpected(meta.error());
  if (meta->previous_until != record->until) return bad("is kept for another time than its connection says");
  if (record->credential.generation >= meta->generation) return bad("is not before its connection's generation");
  return {};
}

Result<void> verify_answer(const Records& records, const Entry& entry, const Path& path) {
  const auto record = decoded<KeptAnswer>(records, entry);
  if (!record) return std::unexpected(record.error());
  if (record->key != path.id || record->organization != path.organization) return bad("is another call's");
  for (const std::string& key : answer_index_keys(records, *record)) {
    const auto leads = leads_to(records, *Path::parse(key), path.organization, path.project, path.id);
    if (!leads) return std::unexpected(leads.error());
    if (!*leads) return bad("has no " + type_of(key) + " entry that leads to it");
  }
  return {};
}

Result<void> verify_answer_time(const Records& records, const Entry& entry, const Path& path) {
  const auto to = decoded<Reference>(records, entry);
  if (!to) return std::unexpected(to.error());
  const auto answer = target<KeptAnswer>(records, {"answer", path.organization, {}, to->id});
  if (!answer) return std::unexpected(answer.error());
  const auto keys = answer_index_keys(records, *answer);
  if (std::ranges::find(keys, entry.key) == keys.end()) return bad("leads to an answer that does not belong there");
  return {};
}

Result<void> verify_link(const Records& records, const Entry& entry, const Path& path) {
  const auto record = decoded<Link>(records, entry);
  if (!record) return std::unexpected(record.error());
  if (record->id != path.id || record->organization != path.organization || record->project != path.project) {
    return bad("is another link's");
  }
  for (const std::string& key : link_index_keys(records, *record)) {
    const auto leads = leads_to(records, *Path::parse(key), path.organization, path.project, path.id);
    if (!leads) return std::unexpected(leads.error());
    if (!*leads) return bad("has no " + type_of(key) + " entry that leads to it");
  }
  return {};
}

Result<void> verify_import(const Records& records, const Entry& entry, const Path& path) {
  const auto record = decoded<ImportedProvider>(records, entry);
  if (!record) return std::unexpected(record.error());
  if (record->id != path.id) return bad("is another imported provider's");
  return {};
}

// A state, the end or the locator of a link.
Result<void> verify_link_entry(const Records& records, const Entry& entry, const Path&) {
  const auto to = decoded<Reference>(records, entry);
  if (!to) return std::unexpected(to.error());
  const auto link = target<Link>(records, {"link", to->organization, to->project, to->id});
  if (!link) return std::unexpected(link.error());
  const auto keys = link_index_keys(records, *link);
  if (std::ranges::find(keys, entry.key) == keys.end()) return bad("leads to a link that does not belong there");
  return {};
}

// An entry of the indexes of connections: the connection it leads to is one that has it.
Result<void> verify_index(const Records& records, const Entry& entry) {
  const auto to = decoded<Reference>(records, entry);
  if (!to) return std::unexpected(to.error());
  const auto meta = target<Connection>(records, {"connection", to->organization, to->project, to->id});
  if (!meta) return std::unexpected(meta.error());
  const auto keys = index_keys(records, *meta);
  if (std::ranges::find(keys, entry.key) == keys.end()) return bad("leads to a connection that does not belong there");
  return {};
}

template <class T>
Result<void> verify_plain(const Records& records, const Entry& entry, const Path&) {
  if (const auto record = decoded<T>(records, entry); !record) return std::unexpected(record.error());
  return {};
}

Result<void> verify_organization(const Records& records, const Entry& entry, const Path& path) {
  const auto record = decoded<Organization>(records, entry);
  if (!record) return std::unexpected(record.error());
  if (record->id != path.id || path.organization != path.id) return bad("is another organization's");
  return {};
}

// A project or a user: it lies in the organization that it names, which is there.
template <class T>
Result<void> verify_inside(const Records& records, const Entry& entry, const Path& path) {
  const auto record = decoded<T>(records, entry);
  if (!record) return std::unexpected(record.error());
  if (record->id != path.id || record->organization != path.organization) return bad("belongs to another place");
  // Whether that one opens is its own entry's matter.
  const auto in = records.store().get(Path{"organization", path.organization, {}, path.organization}.key());
  if (!in && missing(in.error())) return bad("is in an organization that is not there");
  if (!in) return std::unexpected(in.error());
  return {};
}

// What stands on its own; connections and aliases need the vault's own index names.
struct Verifier {
  std::string_view type;
  Result<void> (*run)(const Records&, const Entry&, const Path&);
};
constexpr Verifier kVerifiers[] = {
    {"credential", verify_credential},
    {"locator", verify_locator},
    {"authorization", verify_authorization},
    {"spent", verify_spent},
    {"token", verify_token},
    {"auth_config", verify_auth_config},
    {"auth_locator", verify_auth_locator},
    {"intent", verify_intent},
    {"previous", verify_previous},
    {"answer", verify_answer},
    {"answer_time", verify_answer_time},
    {"link", verify_link},
    {"link_locator", verify_link_entry},
    {"state", verify_link_entry},
    {"ends", verify_link_entry},
    {"organization", verify_organization},
    {"project", verify_inside<Project>},
    {"user", verify_inside<User>},
    {"rotation", verify_plain<RotationRecord>},
    {"index", verify_plain<IndexState>},
    {"import", verify_import},
    {"authority", verify_plain<AuthorityRecord>},
    {"audit", verify_event},
    {"audit_head", verify_audit_head},
};

}  // namespace

Result<void> SealedVault::verify_connection(const Entry& entry, const Path& path) const {
  const auto record = decoded<Connection>(*records_, entry);
  if (!record) return std::unexpected(record.error());
  if (record->id != path.id || record->organization != path.organization || record->project != path.project) {
    return bad("is another connection's");
  }
  const std::string alias = alias_name(record->project, record->alias);
  for (const auto& [index, what] :
       {std::pair(Path{"locator", path.organization, {}, path.id}, "has no locator that leads to it"),
        std::pair(Path{"alias", path.organization, path.project, alias}, "has no alias entry that leads to it")}) {
    const auto leads = leads_to(*records_, index, path.organization, path.project, path.id);
    if (!leads) return std::unexpected(leads.error());
    if (!*leads) return bad(what);
  }
  for (const std::string& key : index_keys(*records_, *record)) {
    const auto leads = leads_to(*records_, *Path::parse(key), path.organization, path.project, path.id);
    if (!leads) return std::unexpected(leads.error());
    if (!*leads) return bad("has no " + std::string(type_of(key)) + " entry that leads to it");
  }
  if (!record->auth_config.empty()) {
    const auto located = records_->read<Reference>(auth_locator_path(path.organization, record->auth_config));
    if (!located && missing(located.error())) return bad("uses an auth config that is not there");
    if (!located) return std::unexpected(located.error());
  }
  if (record->previous_until != 0) {
    const auto previous = records_->read<Previous>(previous_path(*record));
    if (!previous && missing(previous.error())) return bad("has no previous credential, which it says is kept");
    if (!previous) return std::unexpected(previous.error());
  }
  const auto credential = records_->read<Credential>({"credential", path.organization, path.project, path.id});
  if (!credential && credential.error().code == Error::Code::not_found) return bad("has no credential");
  if (!credential) return std::unexpected(credential.error());
  if (credential->version != record->generation) return bad("names another generation than its credential has");
  return {};
}

Result<void> SealedVault::verify_alias(const Entry& entry, const Path& path) const {
  const auto to = decoded<Reference>(*records_, entry);
  if (!to) return std::unexpected(to.error());
  const auto record = target<Connection>(*records_, {"connection", to->organization, to->project, to->id});
  if (!record) return std::unexpected(record.error());
  if (to->organization != path.organization || to->project != path.project ||
      alias_name(path.project, record->alias) != path.id) {
    return bad("leads to a connection with another alias");
  }
  return {};
}

Result<void> SealedVault::verify_record(const Entry& entry) const {
  const auto path = Path::parse(entry.key);
  if (!path) return bad("is not the key of a record");
  if (path->type == "connection") return verify_connection(entry, *path);
  if (path->type == "alias") return verify_alias(entry, *path);
  if (is_index(path->type)) return verify_index(*records_, entry);
  const auto* const own = std::ranges::find(kVerifiers, path->type, &Verifier::type);
  if (own != std::end(kVerifiers)) return own->run(*records_, entry, *path);
  const auto opened = records_->open(entry);  // of a kind that has no rule of its own: it opens
  if (!opened) return std::unexpected(opened.error());
  return {};
}

Result<Verified> SealedVault::verify(std::string_view after, std::size_t limit) const {
  const auto page = records_->store().scan({}, after, std::clamp<std::size_t>(limit, 1, kMostRecords));
  if (!page) return std::unexpected(page.error());
  Verified result;
  if (after.empty()) {
    if (const auto keyring = Keyring::load(records_->store(), *provider()); !keyring) {
      result.bad.push_back({"header", keyring.error().message});
    }
  }
  for (const auto& listed : page->entries) {
    if (Keyring::is_wrapped(listed.key)) {
      if (result.bad.empty() || result.bad.front().key != "header") ++result.sound[type_of(listed.key)];
      continue;
    }
    Entry entry = listed;
    auto fine = verify_record(entry);
    // Two records that belong together are read one after the other: one that seems wrong is read anew, until it stands
    // still while it is looked at.
    bool erased = false;
    for (int look = 1; !fine && !erased && look < kLooks; ++look) {
      auto again = records_->store().get(entry.key);
      erased = !again && again.error().code == Error::Code::not_found;
      if (again) entry = std::move(*again);
      if (!erased) fine = verify_record(entry);
    }
    if (erased) continue;
    if (fine) {
      ++result.sound[type_of(entry.key)];
    } else {
      result.bad.push_back({entry.key, fine.error().message});
    }
  }
  if (page->has_more) result.next = page->entries.back().key;
  return result;
}

Result<Migrated> SealedVault::migrate(std::string_view after, std::size_t limit) {
  const std::scoped_lock lock(upkeep_);
  Migrated result;
  Batch batch;
  if (after.empty()) {
    const auto formats = Keyring::formats(records_->store(), *provider());
    if (!formats) return std::unexpected(formats.error());
    for (const auto& format : *formats) ++result.formats[format.version];
    if (std::ranges::any_of(*formats, &RecordFormat::older)) {
      auto keys = Keyring::rewrap(records_->store(), *provider(), *provider());
      if (!keys) return std::unexpected(keys.error());
      batch = std::move(*keys);
    }
  }
  const auto page = records_->store().scan({}, after, std::clamp<std::size_t>(limit, 1, kMostRecords));
  if (!page) return std::unexpected(page.error());
  for (const auto& entry : page->entries) {
    if (Keyring::is_wrapped(entry.key)) continue;
    const auto plaintext = records_->open(entry);
    if (!plaintext) return fail(plaintext.error().code, entry.key + ": " + plaintext.error().message);
    const auto format = format_of(plaintext->expose());
    if (!format) return fail(Error::Code::corrupt, entry.key + ": is of a format that this postern does not know");
    ++result.formats[format->version];
    if (!format->older()) continue;
    auto write = records_->recoded(entry, plaintext->expose());
    if (!write) return std::unexpected(write.error());
    batch.push_back(std::move(*write));
  }
  result.rewritten = batch.size();
  if (!batch.empty()) {
    if (const auto done = records_->commit(batch); !done) return std::unexpected(done.error());
  }
  if (page->has_more) result.next = page->entries.back().key;
  return result;
}

}  // namespace postern::vault
