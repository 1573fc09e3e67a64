#include "proxy/admin/connect_flow.hpp"

#include "config/encoding.hpp"
#include "proxy/admin/access.hpp"
#include "proxy/admin/audit_event.hpp"
#include "proxy/admin/connect_browser.hpp"
#include "proxy/admin/connect_page.hpp"
#include "proxy/admin/connect_return.hpp"
#include "proxy/admin/connection_write.hpp"

namespace postern::admin {
namespace {

using vault::Link;
using vault::LinkStatus;

constexpr std::string_view kConnect = "/connect", kCallback = "/oauth/callback";

// The link of a page; a page that says why there is none. Unknown, ended and foreign ones look alike.
std::expected<Link, Page> open_link(const Service& service, std::string_view id, bool used_too) {
  const Page gone{.status = 404,
                  .title = "This link leads nowhere",
                  .says = {"It was used, cancelled, or never was. Ask for a new link where you got this one."}};
  auto found = service.deps.vault->tokens().find_link(id);
  if (!found && found.error().code != vault::Error::Code::not_found) return std::unexpected(unavailable_page());
  if (!found) return std::unexpected(gone);
  switch (status_of(*found, service.deps.now_ms())) {
    case LinkStatus::expired:
      return std::unexpected(Page{.status = 410,
                                  .title = "This link has expired",
                                  .says = {"A link lasts ten minutes at most. Ask for a new one where you got it."}});
    case LinkStatus::failed:
      return std::unexpected(gone);
    case LinkStatus::active:
      if (!used_too) return std::unexpected(gone);
      break;
    default:
      break;
  }
  return std::move(*found);
}

Page wrong_browser() {
  return {.status = 403,
          .title = "Another browser began this",
          .says = {"Open the link again, in the browser you want to use, and go on from there. The browser has to keep "
                   "cookies."}};
}

Response opening(const Service& service, const Request& request, const std::string& id) {
  const auto link = open_link(service, id, false);
  if (!link) return to_response(link.error());
  const std::string title = title_of(service, *link);
  Page page{
      .title = (reconnects(*link) ? "Reconnect " : "Connect ") + title,
      .says = {by_code(*link)
                   ? "You get a code to enter at " + title + ", where you agree. Then you come back here, and confirm."
                   : "You go on to " + title + " to sign in and agree. Then you come back here, and confirm."},
      .facts = facts_of(service, *link)};
  page.forms.push_back(
      {.action = "/connect/" + link->id, .label = by_code(*link) ? "Get a code" : "Go on to " + title});
  Response response = to_response(page);
  response.fields.emplace_back("Set-Cookie",
                               set_cookie(service, cookie_of(service, request).value_or(new_cookie(service))));
  return response;
}

Response leave(const Service& service, const Request& request, const std::string& id) {
  auto link = open_link(service, id, false);
  if (!link) return to_response(link.error());
  const auto cookie = cookie_of(service, request);
  if (!cookie) return to_response(wrong_browser());
  if (by_code(*link)) return to_response(begin_device(service, std::move(*link), *cookie));
  auto way = begin_way(service, std::move(*link), *cookie);
  if (!way) return to_response(way.error());
  Response response;
  response.status = 303;
  response.fields.emplace_back("Location", std::move(*way));
  return response;
}

// A form post of the provider comes without our cookie, because it is SameSite=Lax; the same as a GET brings it.
Response as_get(const Parameters& parameters) {
  std::string to(kCallback);
  for (const auto& [name, value] : parameters) {
    to += to.size() == kCallback.size() ? '?' : '&';
    to += config::percent_encode(name) + '=' + config::percent_encode(value);
  }
  Response response;
  response.status = 303;
  response.fields.emplace_back("Location", std::move(to));
  return response;
}

Response arrive(Service& service, const Request& request, const Url& url) {
  const bool posted = request.method == "POST";
  const auto parameters = posted ? form_of(request) : std::optional(url.parameters);
  const auto state = parameters ? one_of(*parameters, "state") : std::nullopt;
  const Page unknown{
      .status = 400,
      .title = "This answer belongs to no open attempt",
      .says = {"It was used before, or the attempt was begun anew or is over. Open the link again; if it "
               "leads nowhere, ask for a new one."}};
  if (!state || state->empty()) return to_response(unknown);
  auto link = service.deps.vault->tokens().find_link_by_state(*state);
  if (!link && link.error().code != vault::Error::Code::not_found) return to_response(unavailable_page());
  if (!link || status_of(*link, service.deps.now_ms()) != LinkStatus::opened) return to_response(unknown);
  const auto cookie = cookie_of(service, request);
  if (!cookie && posted) return as_get(*parameters);
  if (!cookie || !began(service, *link, *cookie)) return to_response(wrong_browser());
  return to_response(come_back(service, std::move(*link), *parameters, *cookie, unknown));
}

enum class Button : std::uint8_t { poll, confirm, cancel };

Response decide(Service& service, const Request& request, const std::string& id, Button button) {
  const bool agreed = button == Button::confirm;
  auto link = open_link(service, id, agreed);
  if (!link) return to_response(link.error());
  const auto cookie = cookie_of(service, request);
  if (!cookie || !began(service, *link, *cookie)) return to_response(wrong_browser());
  const auto form = form_of(request);
  const auto confirm = form ? one_of(*form, "confirm") : std::nullopt;
  if (!confirm || !vault::Secret(confirmation_of(service, *link, *cookie)).equals(*confirm))
    return to_response(Page{.status = 403,
                            .title = "This page is out of date",
                            .says = {"Nothing was changed. Open the link again and go on from there."}});
  if (button == Button::poll && by_code(*link) && link->status == LinkStatus::opened)
    return to_response(poll_device(service, std::move(*link), *cookie));
  if (link->status == LinkStatus::active) return to_response(connected_page(service, *link));
  if (link->status != LinkStatus::returned || button == Button::poll)
    return to_response(Page{
        .status = 404, .title = "There is nothing to confirm", .says = {"Open the link again and go on from there."}});
  return to_response(agreed ? activate(service, std::move(*link)) : give_up(service, std::move(*link)));
}

// Where a caller's connectUrl leads. Nothing is looked up for whoever only opens it.
Response reconnecting(const std::optional<std::string>& connection) {
  if (!connection || !vault::is_reference(*connection))
    return to_response(Page{.status = 404,
                            .title = "This link leads nowhere",
                            .says = {"It has to name a connection: take it from the answer that you got."}});
  Page page{.title = "A connection has to be connected again",
            .says = {"Whoever runs this postern can do it on the command line:"},
            .code = "postern connect --reconnect " + *connection};
  page.forms.push_back({.action = "/connect",
                        .label = "Go on with a token",
                        .hidden = {{"connection", *connection}},
                        .ask_secret = "token"});
  return to_response(page);
}

Response reconnect(Service& service, const Request& request) {
  const auto form = form_of(request);
  const auto connection = form ? one_of(*form, "connection") : std::nullopt;
  const auto token = form ? one_of(*form, "token") : std::nullopt;
  const Page refused{.status = 403,
                     .title = "That did not work",
                     .says = {"The token has to be valid and to have the capability connections:write, and the "
                              "connection has to be one that it may change and that was connected in a browser."}};
  auto authorization =
      token ? service.deps.vault->authenticate(*token) : vault::fail(vault::Error::Code::not_found, "");
  if (!authorization && authorization.error().code != vault::Error::Code::not_found)
    return to_response(unavailable_page());
  auto caller = authorization ? caller_of(service, std::move(*authorization)) : refuse("unauthenticated", "");
  const bool valid = caller.has_value();
  if (!valid && caller.error().code != "unauthenticated") return to_response(unavailable_page());
  std::expected<Link, Problem> link = refuse("not-permitted", "");
  if (valid && connection && caller->may("connections:write")) {
    LinkInput input;
    input.connection = *connection;
    link = make_link(service, *caller, input, told(request, *caller, "link.created", {{"connection", *connection}}));
  }
  if (!link) {
    Response response = to_response(refused);
    response.slow = !valid;
    return response;
  }
  Response response;
  response.status = 303;
  response.fields.emplace_back("Location", link_url(service, *link));
  return response;
}

// The button that a path of ours stands for: /connect/<id>/<verb>.
std::optional<Button> button_named(std::string_view path) {
  const auto slash = path.find('/', std::min(path.size(), kConnect.size() + 1));
  const auto verb = slash == std::string_view::npos ? "" : path.substr(slash + 1);
  if (verb == "confirm") return Button::confirm;
  if (verb == "cancel") return Button::cancel;
  if (verb == "poll") return Button::poll;
  return std::nullopt;
}

Response no_method(const char* allow) {
  Response response = to_response(Page{.status = 405, .title = "This page is not asked like that", .says = {}});
  response.fields.emplace_back("Allow", allow);
  return response;
}

}  // namespace

bool is_page(std::string_view path) {
  return path == kConnect || path == kCallback || path.starts_with("/connect/");
}

Response serve_page(Service& service, const Request& request, Url url, Handled& later) {
  const bool post = request.method == "POST";
  if (!post && request.method != "GET" && request.method != "HEAD")
    return no_method(button_named(url.path) ? "POST" : "GET, HEAD, POST");
  if (url.path == kStylePath && !post) return style_response();
  const bool callback = url.path == kCallback;
  if (auto fine = refuse_strange_pages(service, request, callback); !fine)
    return to_response(Page{.status = fine.error().code == "malformed-request" ? 400u : 403u,
                            .title = "This was refused",
                            .says = {fine.error().detail}});
  if (callback) {
    later.work = [&service, &request, url = std::move(url)] { return Answer(arrive(service, request, url)); };
    return {};
  }
  if (url.path == kConnect)
    return post ? reconnect(service, request) : reconnecting(one_of(url.parameters, "connection"));
  std::string id = url.path.substr(kConnect.size() + 1);
  const auto slash = id.find('/');
  id.resize(std::min(slash, id.size()));
  if (slash == std::string::npos) {
    if (!post) return opening(service, request, id);
    later.work = [&service, &request, id] { return Answer(leave(service, request, id)); };
    return {};
  }
  const auto button = button_named(url.path);
  if (!button) return opening(service, request, url.path);
  if (!post) return no_method("POST");
  later.work = [&service, &request, id, button] { return Answer(decide(service, request, id, *button)); };
  return {};
}

}  // namespace postern::admin
