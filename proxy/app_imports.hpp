#pragma once
// The imported providers of the vault over a catalog of files, for whatever takes a configuration over.
//
// Reads the vault, so it may block. Thread safety: any thread. The error is one line: the vault could not be read.
#include <expected>
#include <memory>
#include <string>

#include "config/catalog.hpp"
#include "vault/vault.hpp"

namespace postern {

std::expected<config::WithImports, std::string> with_imports(vault::Vault& vault,
                                                             std::shared_ptr<const config::Catalog> files);

}  // namespace postern
