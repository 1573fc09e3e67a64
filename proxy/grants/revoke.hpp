#pragma once
// Giving a token back (RFC 7009, or the catalog's own call) and asking whether one is alive (RFC 7662).
#include "proxy/grants/grant.hpp"
#include "proxy/grants/token_answer.hpp"

namespace postern::grants {

// One call a token; the entry says which tokens (config::OAuthRevoke::tokens).
Built<TokenRequest> revoke_request(const Asking& asking, config::WhichToken which, const vault::Secret& token);
// nullopt: it is revoked. RFC 7009 section 2.2 answers 200 for unknown tokens too; `invalid_token` means the same.
std::optional<Failure> read_revoke_answer(const Asking& asking, const Reading& reading, const TokenReply& reply);

Built<TokenRequest> introspect_request(const Asking& asking, const vault::Secret& token);
// Whether it is active.
std::expected<bool, Failure> read_introspection(const Reading& reading, const TokenReply& reply);

}  // namespace postern::grants
