// How a vault comes to be: made, or found and judged. The order is the point: key check before anything is written,
// marker before anything is believed.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "vault/digest.hpp"
#include "vault/files.hpp"
#include "vault/vault_impl.hpp"

namespace postern::vault {
std::function<std::int64_t()> clock_of(const Options& options) {
  if (options.now_ms) return options.now_ms;
  return [] {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(since).count());
  };
}

bool lies_under(const std::filesystem::path& file, const std::filesystem::path& directory) {
  std::error_code ignored;
  const auto inner = std::filesystem::weakly_canonical(std::filesystem::absolute(file, ignored), ignored);
  const auto outer = std::filesystem::weakly_canonical(std::filesystem::absolute(directory, ignored), ignored);
  const auto [rest, unused] = std::ranges::mismatch(outer, inner);
  return rest == outer.end() || (std::next(rest) == outer.end() && rest->empty());
}

Result<void> refuse_key_in_state(const Options& options, const KeySource& source) {
  const auto& file = source.secret_file();
  if (!options.allow_key_in_state && !options.state.empty() && !file.empty() && lies_under(file, options.state)) {
    return fail(Error::Code::wrong_key, "master key file " + file.string() +
                                            " lies in the state directory "
                                            "that it protects: keep it elsewhere (only --dev allows this)");
  }
  return {};
}

KeySource source_of(const Options& options) {
  if (!options.key.empty()) return options.key;
  return {.file = options.key_file, .passphrase_file = {}, .credential = {}, .exec = {}};
}

Result<std::unique_ptr<KeyProvider>> provider_of(const Options& options, const KeySource& source) {
  if (options.store == StoreKind::memory && source.empty()) return make_ephemeral_key();
  if (auto outside = refuse_key_in_state(options, source); !outside) return std::unexpected(outside.error());
  return open_key(source);
}

std::filesystem::path database(const std::filesystem::path& state) {
  return state / "vault";
}
std::filesystem::path marker_file(const std::filesystem::path& state) {
  return state / "marker";
}

Marker marker_of(const std::filesystem::path& state, const Seams& seams, const Keyring& keyring) {
  // The subkey is copied: the marker moves into the vault together with the keyring, and must not point at it.
  auto key = std::make_shared<const Secret>(keyring.subkey(Keyring::Use::marker));
  return {marker_file(state), keyring.vault_id(),
          [key = std::move(key)](std::string_view bytes) { return hmac_sha256(key->expose(), bytes); }, seams.marker};
}

namespace {

RocksdbOptions rocksdb_options(const Options& options, const Seams& seams) {
  return {.directory = database(options.state), .may_lose_wal = options.accept_rollback, .env = seams.env};
}

Result<std::unique_ptr<Vault>> assemble(const Options& options, const Seams& seams,
                                        std::unique_ptr<KeyProvider> provider, std::unique_ptr<Store> store,
                                        Keyring keyring, std::optional<Marker> marker) {
  SupervisedStore::Repair repair{
      .probe = [where = rocksdb_options(options, seams)] { return probe_rocksdb_store(where); },
      .open =
          [where = rocksdb_options(options, seams)](bool read_only) {
            RocksdbOptions again = where;
            again.may_lose_wal = false;  // what was accepted at the start was about the past
            again.read_only = read_only;
            return open_rocksdb_store(again);
          },
      .reopened = options.reopened,
      .first_pause = seams.first_pause};
  auto supervised = std::make_unique<SupervisedStore>(std::move(store), std::move(marker), std::move(repair));
  auto records = std::make_unique<Records>(std::move(supervised), std::move(keyring), clock_of(options));
  if (auto done = build_indexes(*records); !done) return std::unexpected(done.error());
  return std::make_unique<SealedVault>(std::move(records), std::move(provider), options);
}

// What is sealed with the first batch besides the keys: the default organization and project, and that all is indexed.
void add_defaults(Batch& batch, const Keyring& keyring, std::int64_t now) {
  const auto put = [&](const Path& path, const std::string& plaintext) {
    const Binding binding{.organization = path.organization, .type = path.type, .id = path.id, .version = 1};
    batch.push_back({.key = path.key(), .value = keyring.seal(plaintext, binding), .expected = 0});
  };
  put({"organization", kDefaultOrganization, {}, kDefaultOrganization},
      encode(Organization{.id = std::string(kDefaultOrganization), .name = "Default", .created = now, .updated = now}));
  put(index_state_path(), complete_index_state());
  put({"project", kDefaultOrganization, kDefaultProject, kDefaultProject},
      encode(Project{.id = std::string(kDefaultProject),
                     .organization = std::string(kDefaultOrganization),
                     .name = "Default",
                     .created = now,
                     .updated = now}));
}

Result<std::unique_ptr<Vault>> create_in(const Options& options, const Seams& seams,
                                         std::unique_ptr<KeyProvider> provider, std::unique_ptr<Store> store) {
  const std::int64_t now = clock_of(options)();
  auto fresh = Keyring::make(*provider, now);
  if (!fresh) return std::unexpected(fresh.error());
  add_defaults(fresh->writes, fresh->keyring, now);
  std::optional<Marker> marker;
  if (options.store != StoreKind::memory) marker = marker_of(options.state, seams, fresh->keyring);
  // The marker of commit 0 goes first: a crash after the first batch leaves it one behind, which opens.
  if (marker) {
    if (auto done = marker->replace(0, {}); !done) return std::unexpected(done.error());
  }
  const auto number = store->commit(fresh->writes);
  if (!number) return std::unexpected(number.error());
  if (marker) {
    if (auto done = marker->advance(*number); !done) return std::unexpected(done.error());
  }
  return assemble(options, seams, std::move(provider), std::move(store), std::move(fresh->keyring), std::move(marker));
}

// Errors unless this is a place where a vault may be made: nothing there, or an attempt that never got its header.
Result<void> check_vacant(const Options& options) {
  const std::string where = options.state.string();
  const auto header = peek_rocksdb_store({.directory = database(options.state)}, kHeaderKey);
  if (header) return fail(Error::Code::exists, "there is a vault in " + where + " already: it is kept");
  if (header.error().code != Error::Code::not_found) return std::unexpected(header.error());
  if (Marker::claimed(marker_file(options.state)).value_or(0) != 0) {
    return fail(Error::Code::exists, "there was a vault in " + where +
                                         ", and its store is gone or empty: restore it, "
                                         "or move the directory away to begin anew");
  }
  return {};
}

}  // namespace

Result<void> Vault::make_key_file(const std::filesystem::path& file) {
  return write_key_file(file);
}

Result<std::unique_ptr<Vault>> create_vault(const Options& options, const Seams& seams) {
  auto provider = provider_of(options, source_of(options));
  if (!provider) return std::unexpected(provider.error());
  if (options.store == StoreKind::memory) return create_in(options, seams, std::move(*provider), make_memory_store());

  if (const auto vacant = check_vacant(options); !vacant) return std::unexpected(vacant.error());
  if (!make_private_directory(database(options.state))) {
    return fail(Error::Code::io,
                "cannot make the state directory " + options.state.string() + ": " + std::strerror(errno));
  }
  // One that was there before may be open to others; it is ours now. Where that is not allowed (a mounted volume that
  // belongs to root) the database below it is 0700 all the same.
  std::error_code ignored;
  std::filesystem::permissions(options.state, std::filesystem::perms::owner_all, ignored);
  RocksdbOptions where = rocksdb_options(options, seams);
  where.create = true;
  auto store = open_rocksdb_store(where);
  if (!store) return std::unexpected(store.error());
  return create_in(options, seams, std::move(*provider), std::move(*store));
}

namespace {

// Where what is opened comes from: it was here, or somebody has put a backup here; of a copied backup the marker is the
// backup's own, and is judged before it is replaced.
enum class Origin : std::uint8_t { here, restored, copied_backup };

Result<std::unique_ptr<Vault>> open_existing(const Options& options, const Seams& seams, Origin origin) {
  auto provider = provider_of(options, source_of(options));
  if (!provider) return std::unexpected(provider.error());

  const RocksdbOptions where = rocksdb_options(options, seams);
  const auto header = peek_rocksdb_store(where, kHeaderKey);
  if (!header && header.error().code == Error::Code::not_found) {
    if (Marker::claimed(marker_file(options.state)).value_or(0) == 0) {
      return fail(Error::Code::not_found, "there is no vault in " + options.state.string() + ": run postern init");
    }
    return fail(Error::Code::rolled_back, "the store in " + options.state.string() +
                                              " is gone or empty, but its marker "
                                              "is there: put the newest state directory back");
  }
  if (!header) return std::unexpected(header.error());
  if (const auto checked = Keyring::open_header(*header, **provider); !checked) {
    return std::unexpected(checked.error());
  }

  auto store = open_rocksdb_store(where);
  if (!store) return std::unexpected(store.error());
  auto keyring = Keyring::load(**store, **provider);
  if (!keyring) return std::unexpected(keyring.error());
  Marker marker = marker_of(options.state, seams, *keyring);
  const std::uint64_t last = (*store)->last_commit();
  const std::int64_t now = clock_of(options)();
  Result<void> fine;
  if (origin != Origin::restored) fine = marker.check(last, options.accept_rollback, now);
  if (fine && origin != Origin::here) fine = marker.replace(last, {Provenance::Kind::restored, now, "backup"});
  if (fine && options.accept_copy && marker.provenance().marked()) fine = marker.replace(last, {});
  if (!fine) return std::unexpected(fine.error());
  return assemble(options, seams, std::move(*provider), std::move(*store), std::move(*keyring), std::move(marker));
}

}  // namespace

Result<std::unique_ptr<Vault>> open_vault(const Options& options, const Seams& seams) {
  if (options.store == StoreKind::memory) return create_vault(options, seams);
  return open_existing(options, seams, Origin::here);
}

Result<std::unique_ptr<Vault>> Vault::create(const Options& options) {
  return create_vault(options, {});
}

Result<std::unique_ptr<Vault>> Vault::open(const Options& options) {
  return open_vault(options, {});
}

Result<void> Vault::mark_restored(const Options& options) {
  const auto opened = open_existing(options, {}, Origin::restored);
  if (!opened) return std::unexpected(opened.error());
  return {};
}

Result<void> open_restored(const Options& options) {
  const auto opened = open_existing(options, {}, Origin::copied_backup);
  if (!opened) return std::unexpected(opened.error());
  return {};
}

SealedVault::SealedVault(std::unique_ptr<Records> records, std::shared_ptr<const KeyProvider> provider, Options options)
    : records_(std::move(records)),
      options_(std::move(options)),
      now_ms_(clock_of(options_)),
      audit_(*records_),
      provider_(std::move(provider)) {
  audit_.set_quota(options_.audit_quota);
}

const std::string& SealedVault::id() const {
  return records_->keyring().vault_id();
}

VaultStatus SealedVault::status() const {
  const SupervisedStore& store = records_->store();
  return {.vault_id = id(),
          .store = std::string(store.name()),
          .state = to_string(store.state()),
          .trouble = store.trouble(),
          .key_provider = provider()->describe(),
          .active_key_id = records_->keyring().active_key_id(),
          .data_keys = records_->keyring().data_keys(),
          .commit = store.last_commit(),
          .provenance = store.provenance()};
}

Result<void> SealedVault::accept_copy() {
  return records_->store().accept_copy();
}

std::string SealedVault::keyed_digest(std::string_view purpose, std::string_view bytes) const {
  return records_->keyring().digest(Keyring::Use::caller, length_prefixed({purpose, bytes}));
}

}  // namespace postern::vault
