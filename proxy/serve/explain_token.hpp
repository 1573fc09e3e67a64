#pragma once
// How long a fetched token lives, and what a call would do about it, by the connection's record alone: the credential
// is not opened. Pure but for what is unsaved. The record knows the wall clock; requests also compare the boot clock.
#include "proxy/observe/explanation.hpp"
#include "proxy/serve/directory.hpp"

namespace postern::serve {

observe::Explanation::Token explain_token(const Source& source, const vault::Connection& meta, std::int64_t now_ms);

}  // namespace postern::serve
