#pragma once
// `connections:` of the configuration: connections whose secrets are in files, for pods without a disk.
#include <expected>
#include <memory>
#include <string>

#include "config/catalog.hpp"
#include "config/settings.hpp"
#include "proxy/serve/directory.hpp"

namespace postern {

// Reads every declared connection anew. The error is one line with file:line:column; nothing is half taken over.
std::expected<std::shared_ptr<const serve::DeclaredSet>, std::string> read_declared(const config::Settings& settings,
                                                                                    const config::Catalog& catalog,
                                                                                    std::int64_t now_ms);
// Changes whenever one of the files may have another content: names, sizes, inodes and times. No secret in it.
std::string declared_fingerprint(const config::Settings& settings);

}  // namespace postern
