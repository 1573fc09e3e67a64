#pragma once
// A body in the content coding aws-chunked, whose chunks are signed one by one, signed again on its way (Amazon S3 API
// reference, "Signature calculations for the Authorization header: transferring payload in multiple chunks", and "…
// including trailing headers"). Internal to inject.
//
//   body    = *chunk last-chunk [ trailers ] CRLF
//   chunk   = size ";chunk-signature=" 64HEX CRLF data CRLF       size: hexadecimal
//   last    = "0;chunk-signature=" 64HEX CRLF
//   trailers = *( name ":" value EOL ) [ CRLF ] "x-amz-trailer-signature:" 64HEX CRLF
//
// The chunks stay as the caller cut them and every signature is replaced by one of the same length, so the length of
// the body stays what it was. A chunk is held until it is whole, because its signature goes before it.
#include <memory>
#include <string>

#include "proxy/wire/transform.hpp"
#include "vault/secret.hpp"

namespace postern::inject {

inline constexpr std::size_t kLargestAwsChunk = 1 << 20;  // bytes; SDKs send 64 KiB to 128 KiB

struct AwsSeed {
  vault::Secret key;      // the signing key of the day, region and service
  std::string time;       // 20260101T000000Z
  std::string scope;      // 20260101/us-east-1/s3/aws4_request
  std::string signature;  // of the head, which the first chunk's is chained to
  bool trailers = false;
};
std::unique_ptr<wire::Transform> sign_aws_chunks(AwsSeed seed);

}  // namespace postern::inject
