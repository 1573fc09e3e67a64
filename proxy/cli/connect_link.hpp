#pragma once
// Connecting in a browser, from the command line.
#include "proxy/cli/session.hpp"

namespace postern::cli {

// Makes the link that `body` asks for, notes its URL, and waits until somebody has agreed: the connection. Errors: what
// the API refuses, and why nothing was connected (Exit::failed).
Result<json::object> connect_by_link(const json::object& body, Api& api, Session& session);

}  // namespace postern::cli
