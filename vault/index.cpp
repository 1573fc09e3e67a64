#include "vault/index.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "vault/digest.hpp"
#include "vault/encoding.hpp"

namespace postern::vault {
namespace {

constexpr std::uint8_t kVersion = 2;  // 1 had neither "config" nor "expires"
constexpr std::size_t kBuildBatch = 500;
constexpr std::size_t kTermBytes = 16;
constexpr std::size_t kStride = 16;  // entries read together where the first may be the end

struct Key {
  std::string_view type, organization;
  std::string project, last;
  std::uint8_t since = 1;  // the version that its index came with
  auto operator<=>(const Key&) const = default;
};

std::string term(const Records& records, std::initializer_list<std::string_view> of) {
  return hex(records.keyring().digest(Keyring::Use::index, length_prefixed(of)).substr(0, kTermBytes)) + "-";
}

std::string host_term(const Records& records, std::string_view organization, std::string_view project,
                      std::string_view host) {
  return term(records, {"host", organization, project, host});
}
std::string provider_term(const Records& records, std::string_view organization, std::string_view app) {
  return term(records, {"provider", organization, app});
}
std::string status_term(const Records& records, std::string_view organization, Status status) {
  return term(records, {"status", organization, to_string(status)});
}

// Below 2^62, so that no time wraps around.
std::uint64_t time_offset(const Records& records, std::string_view organization) {
  const std::string digest = records.keyring().digest(Keyring::Use::index, length_prefixed({"time", organization}));
  std::uint64_t offset = 0;
  for (std::size_t i = 0; i < sizeof(offset); ++i) offset = offset << 8 | static_cast<unsigned char>(digest[i]);
  return offset >> 2;
}

std::string time_entry(std::uint64_t offset, std::int64_t time, std::string_view id) {
  const std::uint64_t moved = offset + (std::uint64_t{1} << 62) + static_cast<std::uint64_t>(time);
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(moved >> shift & 0xff);
  return hex(bytes).append("-").append(id);
}

std::string config_term(const Records& records, std::string_view organization, std::string_view auth_config) {
  return term(records, {"config", organization, auth_config});
}

std::set<Key> keys_of(const Records& records, const Connection& meta) {
  std::set<Key> keys;
  const std::string_view in = meta.organization;
  for (const auto& to : meta.destinations) {
    keys.insert({"host", in, meta.project, host_term(records, in, meta.project, to.host).append(meta.id)});
  }
  keys.insert({"provider", in, "", provider_term(records, in, meta.app).append(meta.id)});
  if (meta.status != Status::active) {
    keys.insert({"status", in, "", status_term(records, in, meta.status).append(meta.id)});
  }
  const std::uint64_t offset = time_offset(records, in);
  keys.insert({"created", in, "", time_entry(offset, meta.created, meta.id)});
  keys.insert({"updated", in, "", time_entry(offset, meta.updated, meta.id)});
  if (!meta.auth_config.empty()) {
    keys.insert({"config", in, "", config_term(records, in, meta.auth_config).append(meta.id), 2});
  }
  if (const auto time = due_time(meta); time) {
    keys.insert({"expires", {}, "", moment(records, *time, meta.organization, meta.id), 2});
  }
  // No record of a time before this index has one, so there is nothing to build.
  if (meta.previous_until != 0) {
    keys.insert({"previous_end", {}, "", moment(records, meta.previous_until, meta.organization, meta.id), 2});
  }
  return keys;
}

Path path_of(const Key& key) {
  return {key.type, key.organization, key.project, key.last};
}

Write put(const Records& records, const Connection& meta, const Key& key) {
  return records.put(path_of(key), encode(Reference{meta.organization, meta.project, meta.id}), 0);
}

}  // namespace

std::optional<std::int64_t> due_time(const Connection& meta) {
  const std::int64_t time = meta.touch != 0 ? meta.touch : meta.expires;
  if (time == 0 || meta.status != Status::active) return std::nullopt;
  return time;
}

std::string moment(const Records& records, std::int64_t time, std::string_view organization, std::string_view id) {
  std::string who = term(records, {"moment", organization, id});
  who.pop_back();
  return time_entry(time_offset(records, {}), time, who);
}

Result<std::vector<Records::Referred>> moments_before(const Records& records, std::string_view type,
                                                      std::int64_t before, std::string_view after, std::size_t limit,
                                                      std::string_view organization) {
  const std::string end = time_entry(time_offset(records, {}), before, {});
  std::vector<Records::Referred> found;
  std::string at(after);
  for (bool more = true; more && found.size() < limit;) {
    auto next = records.references({type, organization, {}, {}}, at, std::min(kStride, limit - found.size()), false);
    if (!next) return std::unexpected(next.error());
    more = next->has_more && !next->entries.empty();
    for (auto& entry : next->entries) {
      if (entry.id >= end) return found;
      found.push_back(std::move(entry));
    }
    if (more) at = found.back().id;
  }
  return found;
}

void index_added(Batch& batch, const Records& records, const Connection& meta) {
  for (const auto& key : keys_of(records, meta)) batch.push_back(put(records, meta, key));
}

void index_changed(Batch& batch, const Records& records, const Connection& before, const Connection& after) {
  const auto old_keys = keys_of(records, before);
  const auto new_keys = keys_of(records, after);
  for (const auto& key : old_keys) {
    if (!new_keys.contains(key)) batch.push_back(Records::erase(path_of(key), kAnyVersion));
  }
  for (const auto& key : new_keys) {
    if (!old_keys.contains(key)) batch.push_back(put(records, after, key));
  }
}

void index_removed(Batch& batch, const Records& records, const Connection& meta) {
  for (const auto& key : keys_of(records, meta)) batch.push_back(Records::erase(path_of(key), kAnyVersion));
}

std::vector<std::string> index_keys(const Records& records, const Connection& meta) {
  std::vector<std::string> keys;
  for (const auto& key : keys_of(records, meta)) keys.push_back(path_of(key).key());
  return keys;
}

bool is_index(std::string_view type) {
  constexpr std::string_view kTypes[] = {"host",    "provider", "status",  "created",
                                         "updated", "config",   "expires", "previous_end"};
  return std::ranges::find(kTypes, type) != std::end(kTypes);
}

IndexWalk::IndexWalk(const Records& records, const ConnectionQuery& query) : records_(records), query_(query) {
  if (query.order != ConnectionQuery::Order::id) {
    type_ = query.order == ConnectionQuery::Order::created ? "created" : "updated";
    if (!query.after.empty()) {
      at_ = time_entry(time_offset(records, query.organization), query.after_time, query.after);
    }
    return;
  }
  if (!query.host.empty() && !query.project.empty()) {
    type_ = "host";
    project_ = query.project;
    term_ = host_term(records, query.organization, query.project, query.host);
  } else if (!query.auth_config.empty()) {
    type_ = "config";
    term_ = config_term(records, query.organization, query.auth_config);
  } else if (query.status && *query.status != Status::active) {
    type_ = "status";
    term_ = status_term(records, query.organization, *query.status);
  } else if (!query.app.empty()) {
    type_ = "provider";
    term_ = provider_term(records, query.organization, query.app);
  } else if (query.project.empty()) {
    type_ = "locator";
  } else {
    type_ = "connection";
    project_ = query.project;
  }
  if (!query.after.empty()) at_ = term_ + query.after;
}

Result<IndexWalk::Steps> IndexWalk::next(std::size_t limit) {
  Steps all;
  if (type_ == "connection") {
    auto listed = records_.list(path(at_), limit);
    if (!listed) return std::unexpected(listed.error());
    all.has_more = listed->has_more;
    for (auto& id : listed->ids) all.steps.push_back({id, project_, id});
  } else {
    const bool back = query_.descending && query_.order != ConnectionQuery::Order::id;
    auto listed = records_.references(path(term_), at_, limit, back);
    if (!listed) return std::unexpected(listed.error());
    all.has_more = listed->has_more;
    for (auto& entry : listed->entries) {
      all.steps.push_back({std::move(entry.id), std::move(entry.to.project), std::move(entry.to.id)});
    }
  }
  if (!all.steps.empty()) at_ = all.steps.back().entry;
  return all;
}

bool IndexWalk::fits(const Step& step, const Connection& meta) const {
  if (type_ == "connection" || type_ == "locator") return step.entry == meta.id;
  if (type_ == "created" || type_ == "updated") {
    const std::int64_t time = type_ == "created" ? meta.created : meta.updated;
    return step.entry == time_entry(time_offset(records_, query_.organization), time, meta.id);
  }
  if (step.entry != term_ + meta.id) return false;
  if (type_ == "provider") return meta.app == query_.app;
  if (type_ == "status") return meta.status == query_.status;
  if (type_ == "config") return meta.auth_config == query_.auth_config;
  return meta.project == project_ &&
         std::ranges::any_of(meta.destinations, [&](const auto& to) { return to.host == query_.host; });
}

Result<bool> IndexWalk::stands(const Step& step) const {
  const auto entry = records_.store().get(path(step.entry).key());
  if (entry) return true;
  if (entry.error().code == Error::Code::not_found) return false;
  return std::unexpected(entry.error());
}

std::string IndexWalk::name(const Step& step) const {
  return path(step.entry).key();
}

Path index_state_path() {
  return {"index", {}, {}, "connections"};
}

std::string complete_index_state() {
  return encode(IndexState{kVersion, true, {}});
}

Result<void> build_indexes(Records& records) {
  std::uint64_t version = 0;
  IndexState state{1, false, {}};
  if (auto found = records.read<IndexState>(index_state_path()); found) {
    version = found->version;
    state = std::move(found->record);
  } else if (found.error().code != Error::Code::not_found) {
    return std::unexpected(found.error());
  }
  if (state.version > kVersion) {
    return fail(Error::Code::corrupt, "the indexes of this store are a later release's: use that one");
  }
  constexpr std::string_view kPrefix = "connection/";
  // One version's indexes after another's: what a store has of one is then known from the version alone.
  while (state.version < kVersion || !state.complete) {
    if (state.complete) state = {static_cast<std::uint8_t>(state.version + 1), false, {}};
    const auto page = records.store().scan(kPrefix, state.after, kBuildBatch);
    if (!page) return std::unexpected(page.error());
    Batch batch;
    for (const auto& entry : page->entries) {
      const std::string_view key = std::string_view(entry.key).substr(kPrefix.size());
      const std::size_t project = std::min(key.find('/'), key.size());
      const std::size_t id = std::min(key.find('/', project + 1), key.size());
      if (id == key.size()) return fail(Error::Code::corrupt, entry.key + ": not the key of a connection");
      const auto meta = records.read<Connection>(
          {"connection", key.substr(0, project), key.substr(project + 1, id - project - 1), key.substr(id + 1)});
      if (!meta) return std::unexpected(meta.error());
      for (const auto& index : keys_of(records, meta->record)) {
        if (index.since == state.version) batch.push_back(put(records, meta->record, index));
      }
      state.after = entry.key;
    }
    state.complete = !page->has_more;
    if (state.complete) state.after.clear();
    batch.push_back(records.put(index_state_path(), encode(state), version++));
    if (const auto done = records.commit(batch); !done) return done;
  }
  return {};
}

}  // namespace postern::vault
