#include "proxy/cli/trust.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>

namespace postern::cli {
namespace {

namespace fs = std::filesystem;

// Debian and its kin, Fedora and its kin, SUSE, Alpine and macOS.
constexpr std::array kPlaces{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                             "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

template <class Number>
void big_endian(std::string& out, Number value) {
  for (int shift = int(sizeof value) * 8 - 8; shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xff);
}

void java_text(std::string& out, std::string_view text) {
  big_endian(out, static_cast<std::uint16_t>(text.size()));
  out += text;
}

std::string digest(const EVP_MD* kind, std::initializer_list<std::string_view> parts) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestInit_ex(context.get(), kind, nullptr);
  for (const std::string_view part : parts) EVP_DigestUpdate(context.get(), part.data(), part.size());
  EVP_DigestFinal_ex(context.get(), out, &size);
  return {reinterpret_cast<const char*>(out), size};
}

std::vector<std::string> certificates(const std::string& pem) {
  std::vector<std::string> out;
  const std::unique_ptr<BIO, decltype(&BIO_free)> in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                     BIO_free);
  constexpr std::string_view kBegin = "-----BEGIN ";
  for (std::size_t begun = 0; (begun = pem.find(kBegin, begun)) != std::string::npos; begun += kBegin.size()) {
    X509* one = PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr);
    if (one == nullptr) continue;  // it has read up to the end of what it could not parse
    unsigned char* der = nullptr;
    const int size = i2d_X509(one, &der);
    X509_free(one);
    if (size > 0) out.emplace_back(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
  }
  ERR_clear_error();
  return out;
}

Result<void> write_whole(const fs::path& path, const std::string& bytes) {
  const fs::path draft = path.string() + fmt::format(".{}", getpid());
  const auto failed = [&] {
    const int error = errno;
    unlink(draft.c_str());
    return fail(Exit::failed, fmt::format("write: {}: {}", path.string(), std::strerror(error)));
  };
  const int fd = open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return failed();
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const ssize_t n = ::write(fd, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      close(fd);
      return failed();
    }
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  fchmod(fd, 0644);  // whatever the umask is
  close(fd);
  if (rename(draft.c_str(), path.c_str()) != 0) return failed();
  return {};
}

}  // namespace

std::string system_roots(const Environment& environment) {
  if (const auto named = environment.find("SSL_CERT_FILE"); named != environment.end() && !named->second.empty())
    return read_file(named->second);
  for (const char* place : kPlaces)
    if (std::string pem = read_file(place); !pem.empty()) return pem;
  return {};
}

// JKS, version 2: magic, version, count, entries, and SHA-1 over password, salt and all of that. An entry of a trusted
// certificate is tag 2, alias, date, type and DER. Source: sun.security.provider.JavaKeyStore of OpenJDK 17.
std::string java_trust_store(const std::string& pem, std::int64_t now_ms) {
  const std::vector<std::string> all = certificates(pem);
  std::string out;
  big_endian(out, std::uint32_t{0xfeedfeed});
  big_endian(out, std::uint32_t{2});
  big_endian(out, static_cast<std::uint32_t>(all.size()));
  for (std::size_t i = 0; i < all.size(); ++i) {
    big_endian(out, std::uint32_t{2});
    java_text(out, fmt::format("root-{}", i));
    big_endian(out, static_cast<std::uint64_t>(now_ms));
    java_text(out, "X.509");
    big_endian(out, static_cast<std::uint32_t>(all[i].size()));
    out += all[i];
  }
  std::string password;
  for (const char c : std::string_view("changeit")) password += std::string{'\0', c};
  return out + digest(EVP_sha1(), {password, "Mighty Aphrodite", out});
}

Result<TrustFiles> write_trust(const fs::path& folder, const std::string& pem, std::int64_t now_ms) {
  TrustFiles files{folder / kBundleName, folder / kJavaStoreName};
  if (auto written = write_whole(files.bundle, pem); !written) return std::unexpected(written.error());
  if (auto written = write_whole(files.java_store, java_trust_store(pem, now_ms)); !written)
    return std::unexpected(written.error());
  return files;
}

Result<TrustFolder> TrustFolder::make(const Environment& environment) {
  const auto temporary = environment.find("TMPDIR");
  std::string path = (temporary == environment.end() || temporary->second.empty() ? "/tmp" : temporary->second);
  path += "/postern-trust-XXXXXX";
  if (mkdtemp(path.data()) == nullptr || chmod(path.c_str(), 0755) != 0)
    return fail(Exit::failed, fmt::format("exec: {}: {}; is TMPDIR right?", path, std::strerror(errno)));
  return TrustFolder(path);
}

TrustFolder::TrustFolder(TrustFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}

TrustFolder::~TrustFolder() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

Result<fs::path> lasting_trust_folder(const Environment& environment, const std::string& pem) {
  const auto value = [&](const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::string() : found->second;
  };
  fs::path base = value("XDG_CACHE_HOME");
  if (base.empty() && !value("HOME").empty()) base = fs::path(value("HOME")) / ".cache";
  if (base.empty())
    return fail(Exit::usage, "env: no place for the CA bundle: set HOME, or name where it will be with --trust-folder");
  std::string name = "trust-";
  for (const unsigned char byte : digest(EVP_sha256(), {pem}).substr(0, 6)) name += fmt::format("{:02x}", byte);
  const fs::path folder = base / "postern" / name;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return fail(Exit::failed, fmt::format("env: {}: {}", folder.string(), error.message()));
  return folder;
}

}  // namespace postern::cli
