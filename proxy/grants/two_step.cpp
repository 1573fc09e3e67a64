// A login that is not OAuth: URL, method, encoding, parameters, headers and answer all come from the catalog entry.
#include "proxy/grants/grant.hpp"

namespace postern::grants {

Built<TokenRequest> two_step(const Renewal& renewal) {
  return build_request(renewal.asking, Call{renewal.asking.oauth.token});
}

}  // namespace postern::grants
