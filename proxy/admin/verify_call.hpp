#pragma once
// The one harmless call that tries a credential (the catalog's `verify`), and what may be shown of it.
//
// The request goes out with the secret in it; what is shown of it is written from the rules themselves, and what came
// back is shown without any value that was sent. Pure, thread safe.
#include <boost/json/object.hpp>
#include <expected>
#include <string>
#include <vector>

#include "proxy/admin/desk.hpp"

namespace postern::admin {

// Takes secrets out of texts: as they are, percent-encoded, in base64, and as JSON escapes them.
class Mask {
 public:
  Mask() = default;
  // The credential's and the auth config's secret values, and what the rules make of them.
  Mask(const Material& material, const vault::Credential& credential);
  std::string apply(std::string text) const;

 private:
  void add(std::string_view secret);
  std::vector<vault::Secret> forms_;  // the longest first
};

struct VerifyCall {
  grants::TokenRequest request;
  std::string url;                                           // as shown
  std::vector<std::pair<std::string, std::string>> headers;  // as shown
  config::Verify verify;
};
// The entry's `verify`; nullptr: it has none.
const config::Verify* verify_of(const Material& material);
// Errors: one sentence; the credential lacks a value, or its destinations leave the call out.
std::expected<VerifyCall, std::string> verify_call(const Material& material,
                                                   const std::vector<config::HostPattern>& destinations);
// What the answer calls the account; empty: it does not say.
std::string account_in(const config::Verify& verify, const grants::TokenReply& reply);

// {"request", "response"} as the API shows it.
boost::json::object shown(const std::string& method, const std::string& url,
                          const std::vector<std::pair<std::string, std::string>>& headers,
                          const grants::Delivery& delivery, const Mask& mask);

}  // namespace postern::admin
