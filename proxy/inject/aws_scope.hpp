#pragma once
// For which service and region a request to AWS is signed, and what the caller's own signature says about it. Internal
// to inject.
//
// A client is configured with any keys at all and signs; its signature is worth nothing, but its credential scope names
// region and service, its list of signed fields what it wants protected, and its X-Amz-Content-Sha256 how the body
// goes. Source: AWS Signature Version 4, "Create a signed AWS API request" (IAM User Guide). Pure.
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/inject/injection.hpp"

namespace postern::inject {

struct AwsScope {
  std::string region, service;
  bool complete() const { return !region.empty() && !service.empty(); }
};

// What the caller's own signature says; everything is empty without one.
struct AwsHint {
  AwsScope scope;
  std::vector<std::string> signed_fields;  // lower case
  std::string payload;                     // its X-Amz-Content-Sha256
  bool in_query = false;                   // it is a presigned URL
  std::string expires;                     // of a presigned URL, in seconds
};
AwsHint read_aws_hint(const Inputs& in);

// From a host under amazonaws.com, amazonaws.com.cn, api.aws or on.aws; what it does not say is empty. `authority` may
// have a port.
AwsScope aws_scope_of_host(std::string_view authority);

// A name that fits into a credential scope.
bool is_scope_part(std::string_view text);

}  // namespace postern::inject
