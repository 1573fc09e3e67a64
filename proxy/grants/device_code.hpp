#pragma once
// The device flow (RFC 8628): a code that a person types elsewhere, and the polling for its token.
//
// Thread safety: pure functions; the caller keeps the clock and waits.
#include <chrono>
#include <string>

#include "proxy/grants/grant.hpp"
#include "proxy/grants/token_answer.hpp"

namespace postern::grants {

struct DeviceLogin {
  vault::Secret device_code;
  std::string user_code, verification_uri, verification_uri_complete;  // for people; the last may be ""
  std::chrono::seconds expires_in{}, interval{5};
};

Built<TokenRequest> device_request(const Renewal& renewal);  // section 3.1
// Section 3.2; Google's older name `verification_url` is read too. The URIs are https and visible ASCII.
std::expected<DeviceLogin, Failure> read_device_answer(const Reading& reading, const TokenReply& reply);
Built<TokenRequest> device_token_request(const Asking& asking, const vault::Secret& device_code);  // section 3.4

// Section 3.5: when to ask again. nullopt: the failure ends the flow.
std::optional<std::chrono::seconds> next_poll(const Failure& failure, std::chrono::seconds interval);

}  // namespace postern::grants
