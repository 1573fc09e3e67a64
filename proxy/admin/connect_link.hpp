#pragma once
// Links: one attempt of a person to connect an account in a browser, as the API makes and shows it.
#include <boost/json/object.hpp>
#include <expected>
#include <string>

#include "proxy/admin/connection_input.hpp"
#include "proxy/admin/routes.hpp"
#include "vault/record.hpp"

namespace postern::admin {

struct LinkInput : ConnectionInput {
  std::optional<std::string> connection;  // to reconnect: then nothing else says what it is to be
  std::int64_t lifetime_ms = 600'000;
  std::optional<bool> device;  // agree by a code that is typed elsewhere; absent: where there is no other way
};
std::expected<vault::Link, Problem> make_link(Service& service, const Caller& caller, LinkInput& input,
                                              const vault::Beside& beside);

// Where browsers reach this port: admin.public_url, or the bound address.
std::string public_url(const Service& service);
std::string link_url(const Service& service, const vault::Link& link);
// As it is now: a link that ran out is EXPIRED, whatever was written last.
vault::LinkStatus status_of(const vault::Link& link, std::int64_t now_ms);
// Its connection is to be the one that was there already. A link for a new one names the owner it is to have.
inline bool reconnects(const vault::Link& link) {
  return link.owner.empty();
}
// A person agrees by a code: nobody is sent back here, so there is no address for it.
inline bool by_code(const vault::Link& link) {
  return link.redirect_uri.empty();
}
boost::json::object shown(const Service& service, const vault::Link& link);

}  // namespace postern::admin
