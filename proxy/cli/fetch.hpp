#pragma once
// A public document from a URL: https with the certificate checked, at most 8 MiB, at most a minute, no redirect
// followed, no credential and no proxy. The CLI's own process fetches; the daemon never does.
//
// Errors: Exit::usage (not an https URL), Exit::unreachable, Exit::failed (another answer than 200, too large), each
// with the URL. Thread safety: one thread.
#include <string>

#include "proxy/cli/session.hpp"

namespace postern::cli {

inline constexpr std::size_t kMaxFetched = std::size_t{8} << 20;

Result<std::string> fetch(const std::string& url, const Surroundings& around);

}  // namespace postern::cli
