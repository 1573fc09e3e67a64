#pragma once
// What the daemon asks of its process: hardening, descriptors, exit codes.
#include <cstddef>

#include "vault/error.hpp"

namespace postern {

// Not dumpable, no core: the secrets of this process stay in it. SIGPIPE is ignored, the soft limit of open files
// raised.
void harden();
// DESIGN section 10.
int exit_code_of(const vault::Error& error);
// client.max, or fewer where descriptors are few: each client may need one upstream, and the store and the admin API
// need theirs, or idle callers could lock the administrator out.
std::size_t affordable_clients(std::size_t wanted);

}  // namespace postern
