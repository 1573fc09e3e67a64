#pragma once
// How a route says what it did: the event goes along with its write (vault/audit.hpp). Pure functions, any thread.
//
// Who called and which call it was is known from the call; a route adds the action and small details, never a value
// that could be a secret. Organization, project and subject are those of the record that is written.
#include <boost/json/object.hpp>
#include <map>
#include <string>
#include <string_view>

#include "proxy/admin/routes.hpp"

namespace postern::admin {

using Details = std::map<std::string, std::string>;

vault::Beside told(const Request& request, const Caller& caller, std::string action, Details detail = {});
inline vault::Beside told(const Call& call, std::string action, Details detail = {}) {
  return told(call.request, call.caller, std::move(action), std::move(detail));
}
// The same write, which makes what is answered with `status`: what is kept of the call goes along, too.
inline vault::Beside made_by(Call& call, unsigned status, const vault::Beside& told, bool holds_token = false) {
  vault::Beside beside = call.beside(status, holds_token);
  beside.event = told.event;
  return beside;
}
// What a person did in a browser with this link: nobody but the link says who that is.
vault::Beside told(const vault::Link& link, std::string action, Details detail = {});
// What belongs to no record: into the system's chain, after it was done. That it cannot be written is logged.
void tell(const Service& service, const Call& call, std::string action, Details detail = {});
// "alias, name", of the members of a body that change something.
std::string names_of(const boost::json::object& body);

}  // namespace postern::admin
