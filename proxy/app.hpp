#pragma once
// The only place that knows everything: build, start and stop order of the daemon.
#include "proxy/cli/cli.hpp"

namespace postern {

// `postern run` in the foreground. Returns an exit code of DESIGN section 10; what went wrong at the start is one line
// on standard error.
int run(const cli::RunArguments& arguments);

}  // namespace postern
