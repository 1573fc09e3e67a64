#pragma once
// What programs verify with whose calls are intercepted: the system's roots and the local CA, in one PEM file.
//
// Purpose: variables like SSL_CERT_FILE replace a program's roots, so a file of the CA alone would cut it off from
// everything that passes through. Holds certificates only, whatever the roots' file holds. The file is public, mode
// 0644: <state>/ca-bundle.pem; where the state is its owner's alone (0700, as `init` makes it), one a state in
// ${TMPDIR:-/tmp}/postern-ca-UID (0755, ours), because the command may be another user's. Containers take a copy,
// `postern ca export --bundle --out FILE`. With --server
// ${XDG_CACHE_HOME:-~/.cache}/postern/ca-bundle-HOST_PORT.pem. It is replaced as a whole, and only when it changes.
// Thread safety: one thread; several processes may write the same file. Absence: nullopt, there is no local CA.
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "proxy/cli/session.hpp"

namespace postern::cli {

struct CaBundle {
  std::filesystem::path file;
  std::string text;                // what is in it
  std::string certificate;         // of the CA itself, PEM
  std::vector<std::string> names;  // what the CA is confined to: "api.github.com" also means what is below it
  std::size_t roots = 0;           // of the system; 0: none were found, and the file holds the CA alone
};

// Asks the API for the CA and writes the file if it has to. Errors: of the API; failed, where the file cannot be
// written.
Result<std::optional<CaBundle>> bundle_file(Api& api, Session& session);

// The object of GET /api/v1/ca; nullopt: there is no CA.
Result<std::optional<json::object>> local_ca(Api& api);
// The roots that programs of this environment have now: SSL_CERT_FILE, unless that is `own`, or else the system's
// bundle; certificates alone. Empty: none found.
std::string system_roots(const Environment& environment, const std::filesystem::path& own);
// The CA, and the one before it while it is valid, behind `roots`; each once.
std::string bundle_text(std::string roots, const json::object& ca, std::int64_t now_ms);
// The certificate before the last rotation; empty: none, or its time is over.
std::string previous_certificate(const json::object& ca, std::int64_t now_ms);
// Every BEGIN CERTIFICATE block of a text, and nothing else of it.
std::vector<std::string> certificates_in(std::string_view text);
// In place of what is there, as a whole, mode 0644; left alone where it is the same already.
Result<void> write_public(const std::filesystem::path& file, const std::string& text, const char* verb);

}  // namespace postern::cli
