#pragma once
// The kind "aws-sigv4": AWS Signature Version 4, in a header or, for a caller's presigned URL, in the query.
//
// Fields of the credential: accessKeyId, secretAccessKey, sessionToken (absent: long-term keys). Options: service,
// region, payload, path (config/sign.cpp). What it refuses is told at Make; a request whose service or region nobody
// names, or whose own signature is of a kind that cannot be made again, is an Error.
#include "proxy/inject/injection.hpp"

namespace postern::inject {

std::expected<std::unique_ptr<Injection>, std::string> make_aws_sigv4(Recipe recipe);

}  // namespace postern::inject
