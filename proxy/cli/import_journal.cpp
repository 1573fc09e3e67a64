#include "proxy/cli/import_journal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <utility>

namespace postern::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kKey = 32;  // hex digits

std::string digest(std::string_view text) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), bytes, &size, EVP_sha256(), nullptr);
  std::string out;
  for (std::size_t i = 0; i < kKey / 2; ++i) out += fmt::format("{:02x}", bytes[i]);
  return out;
}

// One order of the members, whatever order they came in.
json::value sorted(const json::value& value) {
  if (value.is_array()) {
    json::array out;
    for (const auto& item : value.get_array()) out.push_back(sorted(item));
    return out;
  }
  if (!value.is_object()) return value;
  std::map<std::string, const json::value*> members;
  for (const auto& member : value.get_object()) members.emplace(member.key(), &member.value());
  json::object out;
  for (const auto& [name, member] : members) out[name] = sorted(*member);
  return out;
}

std::string read_all(int descriptor) {
  std::string text;
  char part[4096];
  for (ssize_t n = 0; (n = ::read(descriptor, part, sizeof part)) > 0;) text.append(part, static_cast<std::size_t>(n));
  return text;
}

}  // namespace

ImportJournal::ImportJournal(ImportJournal&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      name_(std::move(other.name_)),
      done_(std::move(other.done_)),
      seen_(std::move(other.seen_)) {}

ImportJournal::~ImportJournal() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<ImportJournal> ImportJournal::open(const std::filesystem::path& file) {
  ImportJournal journal;
  journal.name_ = file.string();
  journal.descriptor_ = ::open(file.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (journal.descriptor_ < 0)
    return fail(Exit::failed, fmt::format("import: {}: cannot be written; it notes what is done, so that a second run "
                                          "goes on: check the folder's mode",
                                          journal.name_));
  if (::flock(journal.descriptor_, LOCK_EX | LOCK_NB) != 0)
    return fail(Exit::failed, fmt::format("import: {}: another import of this file is running", journal.name_));
  const std::string text = read_all(journal.descriptor_);
  std::size_t at = 0;
  for (std::size_t end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
    if (end - at > kKey && text[at + kKey] == ' ') journal.done_.insert(text.substr(at, kKey));
  // What a kill tore is taken off, so that the next line begins a line.
  if (at != text.size() && ::ftruncate(journal.descriptor_, static_cast<off_t>(at)) != 0)
    return fail(Exit::failed, fmt::format("import: {}: cannot be written", journal.name_));
  return journal;
}

std::string ImportJournal::key_of(const json::object& body) {
  json::object shown = body;
  shown.erase("value");
  std::string base = digest(json::serialize(sorted(shown)));
  const std::size_t times = ++seen_[base];
  return digest(fmt::format("{} {}", base, times));
}

Result<void> ImportJournal::add(const std::string& key, const std::string& id) {
  if (descriptor_ < 0) return {};
  const std::string line = fmt::format("{} {}\n", key, id);
  if (::write(descriptor_, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
    return fail(Exit::failed,
                fmt::format("import: {}: cannot be written; the connection {} was made all the same", name_, id));
  done_.insert(key);
  return {};
}

}  // namespace postern::cli
