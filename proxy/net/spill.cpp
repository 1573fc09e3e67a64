#include "proxy/net/spill.hpp"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace postern::net {
namespace {

constexpr std::size_t kTag = 16, kNonce = 12;

struct Free {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, Free>;

void must(bool done) {
  if (!done) std::abort();  // no body may be written as it is
}

void nonce_of(std::uint64_t number, unsigned char* out) {
  std::memset(out, 0, kNonce);
  for (std::size_t i = 0; i < 8; ++i) out[kNonce - 1 - i] = static_cast<unsigned char>(number >> (8 * i));
}

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

// A file without a name; on a file system that has none such, one whose name is gone at once.
int open_nameless(const std::filesystem::path& folder) {
  const int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)) return fd;
  std::string name = (folder / "body-XXXXXX").string();
  const int named = ::mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) ::unlink(name.c_str());
  return named;
}

}  // namespace

std::unique_ptr<Spill> Spills::begin(std::uint64_t most, std::string& error) {
  const int fd = open_nameless(folder_);
  if (fd < 0) {
    error = "no file for a body in " + folder_.string() + ": " + std::strerror(errno);
    return nullptr;
  }
  return std::unique_ptr<Spill>(new Spill(*this, fd, most));
}

Spill::Spill(Spills& owner, int fd, std::uint64_t most) : owner_(owner), fd_(fd), most_(most) {
  must(RAND_bytes(key_, sizeof key_) == 1);
}

Spill::~Spill() {
  ::close(fd_);
  OPENSSL_cleanse(key_, sizeof key_);
  OPENSSL_cleanse(rest_.data(), rest_.size());
  owner_.used_.fetch_sub(taken_, std::memory_order_relaxed);
}

Spill::Wrote Spill::fail(const char* what) {
  error_ = std::string(what) + ": " + std::strerror(errno);
  return Wrote::failed;
}

Spill::Wrote Spill::write(std::string_view in) {
  if (size_ + in.size() > most_) return Wrote::too_large;
  const std::uint64_t before = owner_.used_.fetch_add(in.size(), std::memory_order_relaxed);
  taken_ += in.size();
  if (before + in.size() > most_) return Wrote::no_room;
  size_ += in.size();
  while (!in.empty()) {
    const std::size_t fits = std::min(in.size(), kPiece - rest_.size());
    if (rest_.empty() && fits == kPiece) {
      if (const Wrote wrote = write_record(in.substr(0, kPiece)); wrote != Wrote::ok) return wrote;
    } else {
      rest_.append(in.substr(0, fits));
      if (rest_.size() == kPiece) {
        const Wrote wrote = write_record(rest_);
        rest_.clear();
        if (wrote != Wrote::ok) return wrote;
      }
    }
    in.remove_prefix(fits);
  }
  return Wrote::ok;
}

Spill::Wrote Spill::finish() {
  if (rest_.empty()) return Wrote::ok;
  const Wrote wrote = write_record(rest_);
  rest_.clear();
  return wrote;
}

Spill::Wrote Spill::write_record(std::string_view in) {
  const Context context(EVP_CIPHER_CTX_new());
  unsigned char nonce[kNonce];
  nonce_of(records_, nonce);
  std::string out(in.size() + kTag, '\0');
  int size = 0, last = 0;
  must(context && EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key_, nonce) == 1 &&
       EVP_EncryptUpdate(context.get(), bytes(out), &size, bytes(in), static_cast<int>(in.size())) == 1 &&
       EVP_EncryptFinal_ex(context.get(), bytes(out) + size, &last) == 1 &&
       EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTag, bytes(out) + in.size()) == 1);
  auto at = static_cast<off_t>(records_ * (kPiece + kTag));
  for (std::string_view left = out; !left.empty();) {
    const ssize_t done = ::pwrite(fd_, left.data(), left.size(), at);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return fail("a body could not be written");
    left.remove_prefix(static_cast<std::size_t>(done));
    at += done;
  }
  ++records_;
  return Wrote::ok;
}

bool Spill::read(std::uint64_t number, std::string& out) const {
  if (number >= records_) return false;
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, size_ - number * kPiece));
  std::string in(size + kTag, '\0');
  for (std::size_t have = 0; have < in.size();) {
    const ssize_t got =
        ::pread(fd_, in.data() + have, in.size() - have, static_cast<off_t>(number * (kPiece + kTag) + have));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    have += static_cast<std::size_t>(got);
  }
  const Context context(EVP_CIPHER_CTX_new());
  unsigned char nonce[kNonce];
  nonce_of(number, nonce);
  const std::size_t start = out.size();
  out.resize(start + size);
  int done = 0, last = 0;
  const bool whole =
      context && EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key_, nonce) == 1 &&
      EVP_DecryptUpdate(context.get(), bytes(out) + start, &done, bytes(in), static_cast<int>(size)) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTag, bytes(in) + size) == 1 &&
      EVP_DecryptFinal_ex(context.get(), bytes(out) + start + done, &last) == 1;
  if (!whole) out.resize(start);
  return whole;
}

bool Spill::each(wire::FunctionRef<void(std::string_view)> take) const {
  std::string piece;
  for (std::uint64_t number = 0; number < records_; ++number) {
    piece.clear();
    if (!read(number, piece)) return false;
    take(piece);
  }
  return true;
}

}  // namespace postern::net
