#include "vault/stored_audit.hpp"

#include <algorithm>
#include <utility>

#include "vault/digest.hpp"
#include "vault/encoding.hpp"
#include "vault/vault_parts.hpp"

namespace postern::vault {
namespace {

constexpr std::size_t kScan = 500;
constexpr std::size_t kMostErased = 1000;  // of a chain, in one batch
constexpr std::size_t kMostAppended = 1000;

bool is_chain(std::string_view organization) {
  return organization.empty() || is_reference(organization);
}

std::string key_of(std::string_view organization, std::uint64_t sequence) {
  return audit_path(organization, event_name(sequence)).key();
}

std::uint64_t number_of(const Entry& entry) {
  const auto path = Path::parse(entry.key);
  return path ? event_number(path->id).value_or(0) : 0;
}

// The event of an entry. Errors: corrupt (it is not what was stored there); not_found: erased since it was listed.
Result<Event> opened(const Records& records, const Entry& entry) {
  const auto path = Path::parse(entry.key);
  if (!path || !event_number(path->id)) return fail(Error::Code::corrupt, "is not the key of an event");
  auto plaintext = records.open(entry);
  if (!plaintext) {
    auto again = records.read<Event>(*path);  // sealed anew since it was listed
    if (!again) return std::unexpected(again.error());
    return std::move(again->record);
  }
  auto event = decode<Event>(plaintext->expose());
  if (!event) return event;
  if (event->organization != path->organization || event->sequence != event_number(path->id)) {
    return fail(Error::Code::corrupt, "is another event's record");
  }
  return event;
}

bool fits(const AuditQuery& query, const Event& event) {
  const auto is = [](const std::string& wanted, const std::string& value) { return wanted.empty() || wanted == value; };
  if (query.since != 0 && std::max(event.time, event.last) < query.since) return false;
  if (query.until != 0 && event.time >= query.until) return false;
  if (!is(query.actor, event.actor) || !is(query.subject, event.subject) || !is(query.project, event.project)) {
    return false;
  }
  if (!query.action.ends_with('*')) return is(query.action, event.action);
  return event.action.starts_with(std::string_view(query.action).substr(0, query.action.size() - 1));
}

// One step of a verification.
class Checking {
 public:
  Checking(const Records& records, const StoredAudit& audit, AuditCheck& check)
      : records_(records), audit_(audit), check_(check) {}

  Result<void> begin();
  Result<void> step(std::size_t limit);

 private:
  void fault(std::uint64_t sequence, std::string what);
  void look(const Entry& entry, std::uint64_t sequence);
  void compare(std::uint64_t sequence, std::string_view mac);
  Result<bool> retired(std::uint64_t sequence);
  Result<void> missing_until(std::uint64_t sequence);
  Result<void> end();

  const Records& records_;
  const StoredAudit& audit_;
  AuditCheck& check_;
};

void Checking::fault(std::uint64_t sequence, std::string what) {
  if (check_.faults.size() < AuditCheck::kMostFaults) check_.faults.push_back({sequence, std::move(what)});
}

Result<void> Checking::begin() {
  auto head = audit_.head(check_.organization);
  if (head) {
    check_.head = std::move(*head);
    check_.at = check_.head.checkpoint;
    check_.head_known = true;
  } else if (head.error().code == Error::Code::corrupt) {
    check_.head.organization = check_.organization;
    fault(0, "the head of the chain does not open: it was changed, or is another's");
  } else {
    return std::unexpected(head.error());
  }
  if (check_.head_known && check_.anchor) {
    if (check_.anchor->sequence < check_.head.checkpoint.sequence) {
      return fail(Error::Code::invalid, "anchor: retention has kept the events behind " +
                                            std::to_string(check_.head.checkpoint.sequence) +
                                            " only: compare with a later one");
    }
    compare(check_.head.checkpoint.sequence, check_.head.checkpoint.mac);
  }
  check_.begun = true;
  return {};
}

void Checking::compare(std::uint64_t sequence, std::string_view mac) {
  if (!check_.anchor || check_.anchor->sequence != sequence || check_.anchor->mac == mac) return;
  fault(sequence, "is not the event of the anchor: an older state was put back, and the chain went on from there");
}

void Checking::look(const Entry& entry, std::uint64_t sequence) {
  const std::string before = std::exchange(check_.at, {sequence, {}}).mac;
  auto event = opened(records_, entry);
  if (!event && missing(event.error())) return;  // retired meanwhile: told apart when the next one is looked at
  if (!event) return fault(sequence, "does not open: it was changed, or moved here from another place");
  check_.at.mac = event->mac;
  if (!before.empty() && event->mac != event_mac(records_.keyring(), before, *event)) {
    return fault(sequence, "does not follow from the event before it");
  }
  compare(sequence, event->mac);
  ++check_.checked;
}

// Whether retention has erased this one since the verification began; then it goes on behind the new checkpoint.
Result<bool> Checking::retired(std::uint64_t sequence) {
  if (!check_.head_known) return false;
  const auto now = audit_.head(check_.organization);
  if (!now && now.error().code != Error::Code::corrupt) return std::unexpected(now.error());
  if (!now || now->checkpoint.sequence < sequence) return false;
  check_.at = now->checkpoint;
  return true;
}

// The events from the one behind `at` to the one before `sequence` are not there.
Result<void> Checking::missing_until(std::uint64_t sequence) {
  const std::uint64_t first = check_.at.sequence + 1;
  const auto gone = retired(first);
  if (!gone) return std::unexpected(gone.error());
  if (*gone && check_.at.sequence + 1 >= sequence) return {};
  const std::uint64_t from = check_.at.sequence + 1;
  fault(from, from + 1 == sequence ? "was removed" : "was removed, and all up to " + std::to_string(sequence - 1));
  check_.at = {sequence - 1, {}};
  return {};
}

Result<void> Checking::step(std::size_t limit) {
  const std::string prefix = audit_path(check_.organization, {}).key();
  const auto page = records_.store().scan(prefix, key_of(check_.organization, check_.at.sequence), limit);
  if (!page) return std::unexpected(page.error());
  for (const auto& entry : page->entries) {
    const std::uint64_t sequence = number_of(entry);
    if (sequence == 0) {
      fault(0, entry.key + " is not the key of an event");
      continue;
    }
    if (check_.head_known && sequence > check_.head.end.sequence) return end();  // it came meanwhile
    if (sequence <= check_.at.sequence) continue;                                // retired meanwhile
    if (!check_.head_known && check_.first == 0) check_.at = {sequence - 1, {}};
    if (sequence != check_.at.sequence + 1) {
      if (auto told = missing_until(sequence); !told) return told;
      if (sequence <= check_.at.sequence) continue;
    }
    if (check_.first == 0) check_.first = sequence;
    look(entry, sequence);
  }
  return page->has_more ? Result<void>() : end();
}

Result<void> Checking::end() {
  check_.done = true;
  if (!check_.head_known) return {};
  const AuditHead& head = check_.head;
  if (check_.at.sequence < head.end.sequence) {
    if (auto told = missing_until(head.end.sequence + 1); !told) return told;
  } else if (check_.at.sequence == head.end.sequence && !check_.at.mac.empty() && check_.at.mac != head.end.mac) {
    fault(head.end.sequence, "is not the event that the head ends with");
  }
  if (check_.anchor && check_.anchor->sequence > head.end.sequence) {
    fault(check_.anchor->sequence, "is the event of the anchor, but the chain ends at " +
                                       std::to_string(head.end.sequence) +
                                       ": it was cut off, or an older state was put back");
  }
  // Read in this order: an event is written with the head that names it.
  const auto last = records_.store().scan_back(audit_path(check_.organization, {}).key(), {}, 1);
  if (!last) return std::unexpected(last.error());
  const auto now = audit_.head(check_.organization);
  if (!now && now.error().code != Error::Code::corrupt) return std::unexpected(now.error());
  if (now && !last->entries.empty() && number_of(last->entries.front()) > now->end.sequence) {
    fault(now->end.sequence + 1, "lies beyond the head: an older head was put back, or it was removed");
  }
  return {};
}

}  // namespace

std::string to_text(const AuditAnchor& anchor) {
  return std::to_string(anchor.sequence) + ":" + hex(anchor.mac);
}

std::optional<AuditAnchor> parse_anchor(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == 0 || colon > 19 || colon == std::string_view::npos) return std::nullopt;
  AuditAnchor anchor;
  for (const char c : text.substr(0, colon)) {
    if (c < '0' || c > '9') return std::nullopt;
    anchor.sequence = anchor.sequence * 10 + static_cast<std::uint64_t>(c - '0');
  }
  auto mac = decode_hex(text.substr(colon + 1));
  if (!mac || mac->size() != kDigestSize) return std::nullopt;
  anchor.mac = std::move(*mac);
  if (to_text(anchor) != text) return std::nullopt;
  return anchor;
}

Result<void> StoredAudit::append(std::vector<Event> events) {
  for (auto from = events.begin(); from != events.end();) {
    const auto to = from + std::min<std::ptrdiff_t>(events.end() - from, kMostAppended);
    Aside aside;
    aside.events.assign(std::make_move_iterator(from), std::make_move_iterator(to));
    for (const auto& event : aside.events) {
      if (!is_chain(event.organization)) return invalid("organization: not an id");
    }
    if (auto done = records_.commit({}, aside); !done) return done;
    from = to;
  }
  return {};
}

Result<AuditHead> StoredAudit::head(std::string_view organization) const {
  AuditHead none;
  none.organization = organization;
  none.end.mac = none.checkpoint.mac = first_mac();
  if (!is_chain(organization)) return none;
  auto found = records_.read<AuditHead>(audit_head_path(organization));
  if (!found && missing(found.error())) return none;
  if (!found) return std::unexpected(found.error());
  if (found->record.organization != organization) return astray(audit_head_path(organization));
  return std::move(found->record);
}

Result<AuditPage> StoredAudit::list(const AuditQuery& query) const {
  AuditPage page;
  if (!is_chain(query.organization)) return page;
  const std::size_t limit = std::clamp<std::size_t>(query.limit, 1, kLargestPage);
  const std::string prefix = audit_path(query.organization, {}).key();
  std::string at = query.after == 0 ? std::string() : key_of(query.organization, query.after);
  for (std::size_t looked = 0; looked < AuditPage::kMostLooked;) {
    const std::size_t most = std::min(kScan, limit + 1);
    const auto read =
        query.descending ? records_.store().scan_back(prefix, at, most) : records_.store().scan(prefix, at, most);
    if (!read) return std::unexpected(read.error());
    for (const auto& entry : read->entries) {
      ++looked;
      auto event = opened(records_, entry);
      if (!event && missing(event.error())) continue;  // retired since it was listed
      if (!event) return fail(event.error().code, entry.key + ": " + event.error().message);
      if (page.events.size() == limit) return page;
      page.next = event->sequence;
      if (fits(query, *event)) page.events.push_back(std::move(*event));
    }
    if (!read->has_more) {
      page.next = 0;
      return page;
    }
    at = read->entries.back().key;
  }
  return page;
}

Result<void> StoredAudit::check(AuditCheck& check, std::size_t limit) const {
  if (check.done) return {};
  Checking checking(records_, *this, check);
  if (!check.begun) {
    if (auto begun = checking.begin(); !begun) return begun;
  }
  return checking.step(std::clamp<std::size_t>(limit, 1, AuditPage::kMostLooked));
}

Result<std::size_t> StoredAudit::sweep(std::int64_t before_ms) {
  const std::scoped_lock lock(sweeping_);
  constexpr std::string_view kHeads = "audit_head/";
  std::size_t erased = 0;
  std::string after;
  for (bool more = true; more;) {
    const auto heads = records_.store().scan(kHeads, after, kScan);
    if (!heads) return std::unexpected(heads.error());
    more = heads->has_more && !heads->entries.empty();
    for (const auto& entry : heads->entries) {
      after = entry.key;
      const auto path = Path::parse(entry.key);
      if (!path) continue;
      const auto done = shorten(std::string(path->organization), before_ms);
      if (!done && done.error().code == Error::Code::corrupt) continue;  // kept as it is, for whoever verifies it
      if (!done) return std::unexpected(done.error());
      erased += *done;
    }
  }
  return erased;
}

Result<std::size_t> StoredAudit::shorten(const std::string& organization, std::int64_t before_ms) {
  const auto now = head(organization);
  if (!now) return std::unexpected(now.error());
  const auto page = records_.store().scan(audit_path(organization, {}).key(), {}, kMostErased);
  if (!page) return std::unexpected(page.error());
  Batch batch;
  Aside aside;
  Retired& retired = aside.retired.emplace(Retired{.organization = organization, .to = now->checkpoint});
  for (const auto& entry : page->entries) {
    const auto event = opened(records_, entry);
    if (!event) return std::unexpected(event.error());
    if (event->time >= before_ms) break;
    // What is erased is vouched for by the checkpoint from then on: so it has to be sound.
    if (event->sequence != retired.to.sequence + 1 ||
        event->mac != event_mac(records_.keyring(), retired.to.mac, *event)) {
      return fail(Error::Code::corrupt, entry.key + ": does not follow from the event before it");
    }
    retired.to = {event->sequence, event->mac};
    retired.time = event->time;
    retired.bytes += event_size(entry.key, entry.value);
    batch.push_back({.kind = Write::Kind::erase, .key = entry.key, .value = {}, .expected = entry.version});
  }
  if (batch.empty()) return 0;
  if (auto done = records_.commit(batch, aside); !done) return std::unexpected(done.error());
  return batch.size();
}

Result<void> verify_event(const Records& records, const Entry& entry, const Path& path) {
  const auto event = opened(records, entry);
  if (!event) return std::unexpected(event.error());
  std::string before = first_mac();
  if (event->sequence > 1) {
    const auto earlier = records.read<Event>(audit_path(path.organization, event_name(event->sequence - 1)));
    if (earlier) {
      before = earlier->record.mac;
    } else if (missing(earlier.error())) {
      const auto head = records.read<AuditHead>(audit_head_path(path.organization));
      if (!head && !missing(head.error())) return std::unexpected(head.error());
      if (!head || head->record.checkpoint.sequence != event->sequence - 1) {
        return fail(Error::Code::corrupt, "the event before it is not there");
      }
      before = head->record.checkpoint.mac;
    } else {
      return std::unexpected(earlier.error());
    }
  }
  if (event->mac != event_mac(records.keyring(), before, *event)) {
    return fail(Error::Code::corrupt, "does not follow from the event before it");
  }
  return {};
}

Result<void> verify_audit_head(const Records& records, const Entry& entry, const Path& path) {
  const auto plaintext = records.open(entry);
  if (!plaintext) return std::unexpected(plaintext.error());
  const auto head = decode<AuditHead>(plaintext->expose());
  if (!head) return std::unexpected(head.error());
  if (head->organization != path.organization) return fail(Error::Code::corrupt, "is another organization's");
  if (head->end.sequence == head->checkpoint.sequence) {
    if (head->end.mac == head->checkpoint.mac) return {};
    return fail(Error::Code::corrupt, "its end is not its checkpoint");
  }
  const auto last = records.read<Event>(audit_path(path.organization, event_name(head->end.sequence)));
  if (!last && missing(last.error())) return fail(Error::Code::corrupt, "the event that it ends with is not there");
  if (!last) return std::unexpected(last.error());
  if (last->record.mac != head->end.mac) return fail(Error::Code::corrupt, "ends with another event");
  return {};
}

}  // namespace postern::vault
