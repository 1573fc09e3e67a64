#include "vault/marker.hpp"

// The format, frozen by tests/golden/vault/marker:
//
//   marker  := "postern-marker-1 " vault-id " " machine " " commit " " hmac LF
//   machine := the first 8 bytes of SHA-256 over /etc/machine-id, in hex; "-" where there is none
//   commit  := decimal, no leading zero
//   hmac    := HMAC-SHA-256 of everything before it (the space included), in hex
//
// It is replaced by rename and the directory is synced, so that a crash leaves the old line or the new one.
#include <fcntl.h>
#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <vector>

#include "vault/digest.hpp"
#include "vault/encoding.hpp"
#include "vault/files.hpp"

namespace postern::vault {
namespace {

constexpr std::string_view kMagic = "postern-marker-1";
constexpr std::uint64_t kCrashWindow = 1;  // commits that may be durable before their marker is

struct Parsed {
  std::string_view vault_id;
  std::string_view authenticated;  // what the HMAC covers
  std::string_view hmac;
  std::uint64_t commit = 0;
};

std::optional<std::string> read_small(const std::filesystem::path& file) {
  const File in(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!in) return std::nullopt;
  std::array<char, 512> buffer;
  const ssize_t got = ::read(in.get(), buffer.data(), buffer.size());
  return std::string(buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
}

std::optional<Parsed> parse(std::string_view text) {
  if (!text.ends_with('\n')) return std::nullopt;
  text.remove_suffix(1);
  std::vector<std::string_view> words;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  if (words.size() != 5 || words[0] != kMagic) return std::nullopt;
  Parsed parsed{.vault_id = words[1],
                .authenticated = text.substr(0, text.size() - words[4].size()),
                .hmac = words[4],
                .commit = 0};
  const char* end = words[3].data() + words[3].size();
  const auto [stopped, error] = std::from_chars(words[3].data(), end, parsed.commit);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return parsed;
}

std::string this_machine() {
  const auto id = read_small("/etc/machine-id");
  if (!id || id->empty()) return "-";
  std::array<unsigned char, 32> digest;
  must(EVP_Digest(id->data(), id->size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1, "EVP_Digest");
  return hex({reinterpret_cast<const char*>(digest.data()), 8});
}

}  // namespace

Marker::Marker(std::filesystem::path file, std::string vault_id, Authenticate authenticate)
    : file_(std::move(file)), vault_id_(std::move(vault_id)), authenticate_(std::move(authenticate)) {}

std::optional<std::uint64_t> Marker::claimed(const std::filesystem::path& file) {
  const auto text = read_small(file);
  if (!text) return std::nullopt;
  const auto parsed = parse(*text);
  return parsed ? parsed->commit : 0;
}

Result<void> Marker::check(std::uint64_t last_commit, bool accept_rollback) {
  const std::string name = "the marker " + file_.string();
  const auto rolled_back = [&](const std::string& why) {
    return fail(Error::Code::rolled_back, why +
                                              ": the store may have been rolled back. Put the newest state directory "
                                              "back, or start with --accept-rollback to go on with what is there");
  };
  const auto text = read_small(file_);
  if (!text) {
    if (errno != ENOENT) return fail(Error::Code::io, name + " cannot be read: " + std::strerror(errno));
    if (!accept_rollback) return rolled_back(name + " is missing");
    return advance(last_commit);
  }
  const auto parsed = parse(*text);
  const auto hmac = parsed ? decode_hex(parsed->hmac) : std::nullopt;
  if (!parsed || !hmac || parsed->vault_id != vault_id_ ||
      !equal_in_constant_time(*hmac, authenticate_(parsed->authenticated))) {
    return fail(Error::Code::corrupt, name +
                                          " was edited or belongs to another vault: put the right one back, or "
                                          "remove it and start with --accept-rollback");
  }
  if (parsed->commit == last_commit) return {};
  const bool crashed = parsed->commit < last_commit && last_commit - parsed->commit <= kCrashWindow;
  if (!crashed && !accept_rollback) {
    return rolled_back(name + " is at commit " + std::to_string(parsed->commit) + ", the store at " +
                       std::to_string(last_commit));
  }
  return advance(last_commit);
}

Result<void> Marker::advance(std::uint64_t commit) {
  const std::filesystem::path next = file_.string() + ".new";
  const File out(::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!out || !write_all(out.get(), line(commit)) || ::fdatasync(out.get()) != 0 ||
      ::rename(next.c_str(), file_.c_str()) != 0 || !sync_directory(file_.parent_path())) {
    return fail(Error::Code::io, "the marker " + file_.string() + " cannot be written: " + std::strerror(errno));
  }
  return {};
}

std::string Marker::line(std::uint64_t commit) const {
  static const std::string machine = this_machine();
  std::string text;
  text.append(kMagic).append(" ").append(vault_id_).append(" ").append(machine).append(" ");
  text.append(std::to_string(commit)).append(" ");
  return text + hex(authenticate_(text)) + "\n";
}

}  // namespace postern::vault
