#include "vault/records.hpp"

#include <algorithm>
#include <mutex>

#include "vault/kept_answers.hpp"

namespace postern::vault {
namespace {

constexpr int kLooks = 3;  // how often a record whose data key went while we read is read anew

Binding binding_of(const Path& path, std::uint64_t version) {
  return {.organization = path.organization, .type = path.type, .id = path.id, .version = version};
}

Aside aside_of(const Beside& beside) {
  Aside aside;
  if (beside.event) aside.events.push_back(*beside.event);
  return aside;
}

}  // namespace

std::string Path::key() const {
  std::string key;
  key.reserve(type.size() + organization.size() + project.size() + id.size() + 3);
  key.append(type).append("/").append(organization).append("/").append(project).append("/").append(id);
  return key;
}

std::optional<Path> Path::parse(std::string_view key) {
  std::string_view parts[4];
  for (std::size_t i = 0; i < 4; ++i) {
    const auto end = i == 3 ? key.size() : key.find('/');
    if (end == std::string_view::npos) return std::nullopt;
    parts[i] = key.substr(0, end);
    key.remove_prefix(i == 3 ? end : end + 1);
  }
  if (parts[3].find('/') != std::string_view::npos) return std::nullopt;
  return Path{parts[0], parts[1], parts[2], parts[3]};
}

Records::Records(std::unique_ptr<SupervisedStore> store, Keyring keyring, std::function<std::int64_t()> now_ms)
    : store_(std::move(store)), keyring_(std::move(keyring)), chain_(keyring_, std::move(now_ms)) {
  store_->keep_audit(chain_);
}

Result<Found<Secret>> Records::open(const Path& path) const {
  const std::string key = path.key();
  for (int look = 1;; ++look) {
    const auto entry = store_->get(key);
    if (!entry) return std::unexpected(entry.error());
    auto found = open(path, *entry);
    if (found) return found;
    // A rotation may have sealed it anew, and removed the old key, since we read it.
    const auto under = sealed_under(entry->value);
    const bool gone = under && !keyring_.knows(*under);
    if (!gone || look == kLooks) return found;
  }
}

Result<Found<Secret>> Records::open(const Path& path, const Entry& entry) const {
  auto plaintext = keyring_.open(entry.value, binding_of(path, entry.version));
  if (!plaintext) return fail(plaintext.error().code, entry.key + ": " + plaintext.error().message);
  return Found<Secret>{std::move(*plaintext), entry.version};
}

Result<Secret> Records::open(const Entry& entry) const {
  const auto path = Path::parse(entry.key);
  if (!path) return fail(Error::Code::corrupt, "is not the key of a record");
  return keyring_.open(entry.value, binding_of(*path, entry.version));
}

Result<std::optional<Write>> Records::reseal(const Entry& entry) const {
  if (const auto under = sealed_under(entry.value); under && keyring_.is_active(*under)) return std::nullopt;
  const auto plaintext = open(entry);
  if (!plaintext) return std::unexpected(plaintext.error());
  const auto path = Path::parse(entry.key);
  return Write{.kind = Write::Kind::reseal,
               .key = entry.key,
               .value = keyring_.seal(plaintext->expose(), binding_of(*path, entry.version)),
               .expected = entry.version};
}

Result<Records::Ids> Records::list(const Path& path, std::size_t limit) const {
  const std::string prefix = Path{path.type, path.organization, path.project, {}}.key();
  const auto page = store_->scan(prefix, path.id.empty() ? std::string() : path.key(), limit);
  if (!page) return std::unexpected(page.error());
  Ids found{{}, page->has_more};
  found.ids.reserve(page->entries.size());
  for (const auto& entry : page->entries) found.ids.push_back(entry.key.substr(prefix.size()));
  return found;
}

Result<Records::References> Records::references(const Path& path, std::string_view from, std::size_t limit,
                                                bool back) const {
  const std::string prefix = path.key();
  const std::size_t before = prefix.size() - path.id.size();
  std::string end;
  if (!from.empty()) end = prefix.substr(0, before).append(from);
  const auto page = back ? store_->scan_back(prefix, end, limit) : store_->scan(prefix, end, limit);
  if (!page) return std::unexpected(page.error());
  References found{{}, page->has_more};
  found.entries.reserve(page->entries.size());
  for (const auto& entry : page->entries) {
    const std::string_view id = std::string_view(entry.key).substr(before);
    const Path at{path.type, path.organization, path.project, id};
    auto opened = open(at, entry);
    if (!opened) opened = open(at);                                          // sealed anew since the page was read
    if (!opened && opened.error().code == Error::Code::not_found) continue;  // or erased
    if (!opened) return std::unexpected(opened.error());
    auto to = decode<Reference>(opened->record.expose());
    if (!to) return std::unexpected(to.error());
    found.entries.push_back({std::string(id), std::move(*to)});
  }
  return found;
}

Write Records::put(const Path& path, std::string plaintext, std::uint64_t expected) const {
  Write write{
      .key = path.key(), .value = keyring_.seal(plaintext, binding_of(path, expected + 1)), .expected = expected};
  wipe(plaintext);
  return write;
}

Write Records::erase(const Path& path, std::uint64_t expected) {
  return {.kind = Write::Kind::erase, .key = path.key(), .value = {}, .expected = expected};
}

Write Records::keep(const Path& path, std::string plaintext, std::uint64_t version) const {
  Write write{.kind = Write::Kind::reseal,
              .key = path.key(),
              .value = keyring_.seal(plaintext, binding_of(path, version)),
              .expected = version};
  wipe(plaintext);
  return write;
}

Result<Write> Records::recoded(const Entry& entry, std::string_view plaintext) const {
  const auto path = Path::parse(entry.key);
  const auto current = recode(plaintext);
  if (!path || !current) return fail(Error::Code::corrupt, entry.key + ": cannot be written in the current format");
  return Write{.kind = Write::Kind::reseal,
               .key = entry.key,
               .value = keyring_.seal(current->expose(), binding_of(*path, entry.version)),
               .expected = entry.version};
}

bool Records::is_stale(const Write& write) const {
  const auto under = sealed_under(write.value);
  return write.kind != Write::Kind::erase && under && !keyring_.is_active(*under);
}

Records::Pause Records::pause() {
  std::unique_lock turn(turn_);
  return {std::move(turn), std::unique_lock(gate_)};
}

std::size_t Records::count_answers(const std::string& organization) {
  const std::scoped_lock lock(answers_mutex_);
  const auto taken = answers_.extract(organization);
  return taken ? taken.mapped() : 0;
}

Result<void> Records::commit(const Batch& batch, const Beside& beside) {
  if (!beside.answer) return commit(batch, aside_of(beside));
  Batch with = batch;
  if (auto staged = stage_answer(with, *this, *beside.answer); !staged) return staged;
  auto done = commit(with, aside_of(beside));
  const std::scoped_lock lock(answers_mutex_);
  if (done) ++answers_[beside.answer->organization];
  return done;
}

Result<void> Records::commit(const Batch& batch, const Aside& aside) {
  {
    const std::scoped_lock behind(turn_);
  }
  const std::shared_lock lock(gate_);
  if (std::ranges::none_of(batch, [this](const Write& one) { return is_stale(one); })) return write(batch, aside);
  Batch fresh = batch;
  for (auto& one : fresh) {
    if (!is_stale(one)) continue;
    const std::uint64_t version = one.kind == Write::Kind::put ? one.expected + 1 : one.expected;
    const auto sealed = reseal({.key = one.key, .value = one.value, .version = version});
    // A whole rotation has passed since it was sealed, and nothing opens it any more: whoever wrote it reads again.
    if (!sealed && !keyring_.knows(*sealed_under(one.value))) {
      return fail(Error::Code::conflict, "the data key was rotated meanwhile: try again");
    }
    if (!sealed) return std::unexpected(sealed.error());
    one.value = (*sealed)->value;
  }
  return write(fresh, aside);
}

Result<void> Records::write(const Batch& batch, const Beside& beside) {
  return write(batch, aside_of(beside));
}

Result<void> Records::write(const Batch& batch, const Aside& aside) {
  const auto number = store_->commit(batch, aside);
  if (!number) return std::unexpected(number.error());
  return {};
}

}  // namespace postern::vault
