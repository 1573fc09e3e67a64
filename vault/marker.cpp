#include "vault/marker.hpp"

// The format, frozen by tests/golden/vault/marker_2:
//
//   marker   := slot slot                     ; 8192 bytes, slot n at n * 4096: no torn page can hold both
//   slot     := line *SP LF                   ; 4096 bytes
//   line     := "postern-marker-2 " vault-id " " machine " " disk " " file " " mark " " sequence " " commit " " hmac
//   machine, disk, file := 16 hex digits, or "-"    ; place.hpp
//   mark     := "-" | kind ":" since ":" reason     ; kind: copied, restored, rolled_back; since: milliseconds
//   sequence := decimal; even in slot 0, odd in slot 1, one more with each write
//   commit   := decimal, no leading zero
//   hmac     := HMAC-SHA-256 of everything before it in the line (the space included), in hex
//
// A write goes over the older slot. The newer one says how far the store was before; so a write that was torn leaves
// one slot damaged, and then the store is exactly one commit ahead of the other, because it is synced first. A damaged
// slot beside a store that is not ahead is no crash, and refused: it might have been the newest.
//
// Read, and replaced at once, is the format of the first release, in tests/golden/vault/marker:
//   marker-1 := "postern-marker-1 " vault-id " " machine " " commit " " hmac LF
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <vector>

#include "vault/digest.hpp"
#include "vault/encoding.hpp"
#include "vault/files.hpp"

namespace postern::vault {
namespace {

constexpr std::string_view kMagic = "postern-marker-2";
constexpr std::string_view kFirstMagic = "postern-marker-1";
constexpr std::size_t kSlotSize = 4096;
constexpr std::size_t kMarkerSize = 2 * kSlotSize;
constexpr std::uint64_t kCrashWindow = 1;  // commits that may be durable before their marker is

std::vector<std::string_view> words_of(std::string_view text, char separator) {
  std::vector<std::string_view> words;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(separator, at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number number = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return number;
}

std::string mark_text(const Provenance& mark) {
  if (!mark.marked()) return "-";
  return std::string(to_string(mark.kind)) + ":" + std::to_string(mark.since) + ":" + mark.reason;
}

std::optional<Provenance> mark_of(std::string_view text) {
  if (text == "-") return Provenance{};
  const auto words = words_of(text, ':');
  if (words.size() != 3) return std::nullopt;
  const auto since = number_of<std::int64_t>(words[1]);
  if (!since) return std::nullopt;
  for (const auto kind : {Provenance::Kind::copied, Provenance::Kind::restored, Provenance::Kind::rolled_back}) {
    if (words[0] == to_string(kind)) return Provenance{kind, *since, std::string(words[2])};
  }
  return std::nullopt;
}

}  // namespace

struct Marker::Slot {
  Place place;
  Provenance mark;
  std::uint64_t sequence = 0;
  std::uint64_t commit = 0;
};

struct Marker::Judged {
  Slot newest;
  bool damaged = false;   // the other slot is not what it should be: torn, or changed
  bool outdated = false;  // the first release's format
};

Marker::System::System() : write(::pwrite), sync(::fdatasync), place(place_of) {}

Marker::Marker(std::filesystem::path file, std::string vault_id, Authenticate authenticate, System system)
    : file_(std::move(file)),
      vault_id_(std::move(vault_id)),
      authenticate_(std::move(authenticate)),
      system_(std::move(system)) {}

std::optional<std::uint64_t> Marker::claimed(const std::filesystem::path& file) {
  const auto text = read_small(file, kMarkerSize);
  if (!text) return std::nullopt;
  std::uint64_t most = 0;
  for (std::size_t at = 0; at < text->size(); at += kSlotSize) {
    const std::string_view slot = std::string_view(*text).substr(at, kSlotSize);
    const auto words = words_of(slot.substr(0, slot.find_last_not_of(" \n") + 1), ' ');
    if (words[0] == kMagic && words.size() == 9) most = std::max(most, number_of<std::uint64_t>(words[7]).value_or(0));
    if (words[0] == kFirstMagic && words.size() == 5) most = number_of<std::uint64_t>(words[3]).value_or(0);
  }
  return most;
}

// nullopt for everything but a line of this vault that is whole and in its place.
std::optional<Marker::Slot> Marker::read_slot(std::string_view text, std::size_t position) const {
  if (!text.ends_with('\n')) return std::nullopt;
  text.remove_suffix(1);
  const bool first_release = text.starts_with(kFirstMagic);
  if (!first_release) text = text.substr(0, text.find_last_not_of(' ') + 1);
  const auto words = words_of(text, ' ');
  if (words.size() != (first_release ? 5 : 9) || words[1] != vault_id_) return std::nullopt;
  if (!first_release && words[0] != kMagic) return std::nullopt;
  const auto hmac = decode_hex(words.back());
  const std::string_view authenticated = text.substr(0, text.size() - words.back().size());
  if (!hmac || !equal_in_constant_time(*hmac, authenticate_(authenticated))) return std::nullopt;
  Slot slot;
  slot.place.machine = words[2];
  const auto commit = number_of<std::uint64_t>(words[first_release ? 3 : 7]);
  if (!commit) return std::nullopt;
  slot.commit = *commit;
  if (first_release) return slot;
  slot.place.disk = words[3];
  slot.place.file = words[4];
  const auto mark = mark_of(words[5]);
  const auto sequence = number_of<std::uint64_t>(words[6]);
  if (!mark || !sequence || *sequence % 2 != position) return std::nullopt;
  slot.mark = *mark;
  slot.sequence = *sequence;
  return slot;
}

// nullopt: nothing in it can be believed.
std::optional<Marker::Judged> Marker::judge(std::string_view text) const {
  if (text.starts_with(kFirstMagic)) {
    auto only = read_slot(text, 0);
    if (!only) return std::nullopt;
    return Judged{std::move(*only), false, true};
  }
  if (text.size() != kMarkerSize) return std::nullopt;
  auto even = read_slot(text.substr(0, kSlotSize), 0);
  auto odd = read_slot(text.substr(kSlotSize), 1);
  if (!even && !odd) return std::nullopt;
  const bool even_is_newest = even && (!odd || even->sequence > odd->sequence);
  Judged judged{even_is_newest ? *even : *odd, !even || !odd, false};
  if (!judged.damaged) {
    const auto& other = even_is_newest ? *odd : *even;
    judged.damaged = other.sequence + 1 != judged.newest.sequence;
  }
  return judged;
}

Result<void> Marker::check(std::uint64_t last_commit, bool accept_rollback, std::int64_t now_ms) {
  const std::string name = "the marker " + file_.string();
  const auto rolled_back = [&](const std::string& why) {
    return fail(Error::Code::rolled_back, why +
                                              ": the store may have been rolled back. Put the newest state directory "
                                              "back, or start with --accept-rollback to go on with what is there");
  };
  const Provenance accepted{Provenance::Kind::rolled_back, now_ms, "accepted"};
  const auto text = read_small(file_, kMarkerSize + 1);
  if (!text) {
    if (errno != ENOENT) return fail(Error::Code::io, name + " cannot be read: " + std::strerror(errno));
    if (!accept_rollback) return rolled_back(name + " is missing");
    return replace(last_commit, accepted);
  }
  const auto judged = judge(*text);
  if (!judged) {
    return fail(Error::Code::corrupt, name +
                                          " was edited or belongs to another vault: put the right one back, or "
                                          "remove it and start with --accept-rollback");
  }
  const Slot& newest = judged->newest;
  const bool crashed = newest.commit < last_commit && last_commit - newest.commit <= kCrashWindow;
  const bool agrees = crashed || (newest.commit == last_commit && !judged->damaged);
  if (!agrees && !accept_rollback) {
    return rolled_back(newest.commit == last_commit ? "half of " + name + " is damaged"
                                                    : name + " is at commit " + std::to_string(newest.commit) +
                                                          ", the store at " + std::to_string(last_commit));
  }
  // The first mark stays: it is the one that an operator has to hear of.
  const File now(::open(file_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!now) return cannot_write();
  place_ = system_.place(now.get());
  const std::string elsewhere = difference(newest.place, place_);
  provenance_ = newest.mark;
  if (!provenance_.marked() && !agrees) provenance_ = accepted;
  if (!provenance_.marked() && !elsewhere.empty()) provenance_ = {Provenance::Kind::copied, now_ms, elsewhere};
  sequence_ = newest.sequence;
  const bool as_it_was = agrees && !judged->outdated && elsewhere.empty();
  if (!as_it_was) return replace(last_commit, provenance_);
  return crashed ? advance(last_commit) : Result<void>();
}

Result<void> Marker::advance(std::uint64_t commit) {
  const File out(::open(file_.c_str(), O_WRONLY | O_CLOEXEC));
  // Removed under a running vault, which knows better than an empty place how far it has come.
  if (!out && errno == ENOENT) return replace(commit, provenance_);
  const std::uint64_t next = sequence_ + 1;
  const std::string bytes = slot(next, commit);
  const auto at = static_cast<off_t>(next % 2 * kSlotSize);
  if (!out || system_.write(out.get(), bytes.data(), bytes.size(), at) != static_cast<ssize_t>(bytes.size()) ||
      system_.sync(out.get()) != 0) {
    return cannot_write();
  }
  sequence_ = next;
  return {};
}

Result<void> Marker::replace(std::uint64_t commit, const Provenance& mark) {
  const std::filesystem::path next = file_.string() + ".new";
  const File out(::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!out) return cannot_write();
  Marker changed = *this;
  changed.place_ = system_.place(out.get());
  changed.provenance_ = mark;
  changed.sequence_ = 1;
  const std::string bytes = changed.slot(0, commit) + changed.slot(1, commit);
  if (system_.write(out.get(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()) ||
      system_.sync(out.get()) != 0 || ::rename(next.c_str(), file_.c_str()) != 0) {
    return cannot_write();
  }
  *this = std::move(changed);  // from here on this is the file, whether its name is durable yet or not
  if (!sync_directory(file_.parent_path())) return cannot_write();
  return {};
}

std::unexpected<Error> Marker::cannot_write() const {
  return fail(Error::Code::io, "the marker " + file_.string() + " cannot be written: " + std::strerror(errno));
}

std::string Marker::slot(std::uint64_t sequence, std::uint64_t commit) const {
  std::string text;
  text.reserve(kSlotSize);
  text.append(kMagic).append(" ").append(vault_id_).append(" ").append(place_.machine).append(" ");
  text.append(place_.disk).append(" ").append(place_.file).append(" ").append(mark_text(provenance_)).append(" ");
  text.append(std::to_string(sequence)).append(" ").append(std::to_string(commit)).append(" ");
  text.append(hex(authenticate_(text)));
  text.resize(kSlotSize - 1, ' ');
  text.push_back('\n');
  return text;
}

const char* to_string(Provenance::Kind kind) {
  switch (kind) {
    case Provenance::Kind::original:
      return "original";
    case Provenance::Kind::copied:
      return "copied";
    case Provenance::Kind::restored:
      return "restored";
    case Provenance::Kind::rolled_back:
      return "rolled_back";
  }
  return "";
}

}  // namespace postern::vault
