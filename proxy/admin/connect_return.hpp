#pragma once
// The way to the provider and back, as far as the link knows it: state, PKCE, issuer, exchange, the account, and the
// connection that comes of it. Each step writes the link by compare-and-set before anything is sent or answered.
//
// come_back(), begin_device(), poll_device(), activate() and give_up() wait for the network. Results that a person sees
// are pages.
#include <expected>
#include <string>

#include "proxy/admin/connect_browser.hpp"
#include "proxy/admin/connect_link.hpp"
#include "proxy/admin/connect_page.hpp"
#include "proxy/admin/desk.hpp"

namespace postern::admin {

Page unavailable_page();
Page failed_page(unsigned status, const std::string& title, const std::string& what);
// FAILED, for good. That it could not be written changes nothing for the person: the link runs out by itself.
void fail_link(const Service& service, vault::Link& link, const char* reason, const std::string& text);
// Gives back what nobody is going to use.
void revoke(const Service& service, const vault::Link& link, const vault::Credential& credential);
// A value of the waiting credential: when its refresh token ends. It becomes metadata with the connection.
inline constexpr const char* kRefreshExpires = "refreshExpiresAt";
std::string title_of(const Service& service, const vault::Link& link);  // the provider's
// Who and what: organization, project, provider, name, and the account once it is known.
std::vector<std::pair<std::string, std::string>> facts_of(const Service& service, const vault::Link& link);

// How a link knows its browser again.
std::string browser_digest(const Service& service, const std::string& cookie);
// This browser began it.
bool began(const Service& service, const vault::Link& link, const std::string& cookie);
// What only the page that this browser got can send.
std::string confirmation_of(const Service& service, const vault::Link& link, const std::string& cookie);

// The authorize URL; the link is OPENED, and an earlier state of it is void.
std::expected<std::string, Page> begin_way(const Service& service, vault::Link link, const std::string& cookie);
// What the provider sent: RETURNED, with the tokens waiting for the last click, or FAILED. `used`: the page for a state
// that somebody else has just used.
Page come_back(Service& service, vault::Link link, const Parameters& parameters, const std::string& cookie,
               const Page& used);
// The device flow: the page with the code, and what came of it when the person says that it is done.
Page begin_device(const Service& service, vault::Link link, const std::string& cookie);
Page poll_device(Service& service, vault::Link link, const std::string& cookie);
// What both have in common: the question, and RETURNED or FAILED after its answer.
grants::Answer ask_for_tokens(const Service& service, const Material& material,
                              grants::Built<grants::TokenRequest> request);
Page keep_tokens(Service& service, vault::Link link, const Material& material, grants::Answer answer,
                 const std::string& cookie);
Page activate(Service& service, vault::Link link);
Page give_up(Service& service, vault::Link link);
Page connected_page(const Service& service, const vault::Link& link);

}  // namespace postern::admin
