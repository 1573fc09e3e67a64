#pragma once
// The kind "azure-shared-key": Azure Storage's Shared Key (Microsoft, "Authorize with Shared Key"): the string-to-sign
// of Blob, Queue and File (version 2015-02-21 and later), and that of Table.
//
// Options: service (blob, queue, file, table), account (its name; else it is the value keyId), version (x-ms-version
// where the caller sends none). Values: key (base64), keyId. It writes Authorization and x-ms-date, and x-ms-version if
// it is missing. An Error: an x-ms- field given twice. Lite signatures are not made: nothing needs them.
#include "proxy/inject/injection.hpp"

namespace postern::inject {

std::expected<std::unique_ptr<Injection>, std::string> make_azure_shared_key(Recipe recipe);

}  // namespace postern::inject
