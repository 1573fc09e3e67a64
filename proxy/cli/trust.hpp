#pragma once
// The files that let programs trust what postern's CA signs, beside everything else they trust: the system's roots and
// our CA as one PEM file, and the same for Java, which reads no PEM. Certificates are public: the files are mode 0644.
//
// Thread safety: none shared. Errors: Exit::failed, with the path and what the system said.
#include <filesystem>
#include <string>

#include "proxy/cli/session.hpp"

namespace postern::cli {

inline constexpr const char* kBundleName = "bundle.pem";
inline constexpr const char* kJavaStoreName = "bundle.jks";

struct TrustFiles {
  std::filesystem::path bundle, java_store;
};

// PEM. SSL_CERT_FILE of `environment` if it is set (what its programs trust today), else the file of this system;
// empty: there is none.
std::string system_roots(const Environment& environment);

// A JKS trust store (the format that every Java since 1.2 reads, and the one that needs no library to write): each
// certificate of `pem` in order, sealed with Java's usual password "changeit", which nobody has to know to read it.
// Certificates that cannot be parsed are left out. `now_ms`: the entries' date.
std::string java_trust_store(const std::string& pem, std::int64_t now_ms);

// Writes both into `folder`, which exists; each is whole or not there.
Result<TrustFiles> write_trust(const std::filesystem::path& folder, const std::string& pem, std::int64_t now_ms);

// A new folder of ours below TMPDIR or /tmp, readable by all (the command may change its user); gone with this object.
class TrustFolder {
 public:
  static Result<TrustFolder> make(const Environment& environment);
  TrustFolder(TrustFolder&& other) noexcept;
  TrustFolder& operator=(TrustFolder&&) = delete;
  ~TrustFolder();
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit TrustFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

// Where `env` keeps them: a folder of its own for each content, below $XDG_CACHE_HOME or ~/.cache, so that a shell that
// was given the paths before a rotation keeps what it had.
Result<std::filesystem::path> lasting_trust_folder(const Environment& environment, const std::string& pem);

}  // namespace postern::cli
