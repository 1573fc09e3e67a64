#pragma once
// A request as the decisions see it, and the decisions: what steps 2, 3, 4 and 7 of the story make of it, without
// socket, loop or waiting.
//
// The data path (a Call is a Request) and explain() decide with these and nothing else, so that what is told is what
// happens. A refusal is the caller's answer: its detail says which rule was in the way, and of the connection no more
// than a caller who may use it is shown anyway. Thread safety: functions of their arguments. Ownership: borrows Rules
// and Common; views point into the buffer that `head` was parsed from.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/net/client.hpp"
#include "proxy/net/spill.hpp"
#include "proxy/serve/problem.hpp"
#include "proxy/serve/service.hpp"
#include "proxy/serve/tunnel.hpp"
#include "proxy/wire/head.hpp"
#include "proxy/wire/target.hpp"

namespace postern::serve {

// What a signer is shown of a request, kept while it signs. Views point into the head and into this.
struct Outbound {
  std::string path, query, cookies, length, nonce;
  std::vector<inject::NameValue> fields, sent;
};

// Fields are filled in in the order of the steps and are valid from the step that is named beside them.
struct Request {
  // What held when the connection was found, and before that when the request began, whatever a reload says later:
  // rules, catalog and connection are of one configuration.
  const Rules* rules = nullptr;
  const config::Settings& settings() const noexcept { return *rules->settings; }
  const Tunnel* tunnel = nullptr;  // that it came out of; null: none

  // 1 read_head
  wire::RequestHead head;
  // 2 admit
  wire::Target target;
  bool base_mode = false;
  bool answered = false;  // with the refusal: answered here with 200 and nothing (OPTIONS, Max-Forwards: 0)
  // 3 identify
  std::shared_ptr<Caller> caller;
  std::string reference;              // what named the connection; empty: nothing did
  std::shared_ptr<Known> connection;  // null: a relay without credential
  std::string_view token_field;       // base-URL mode: the field that held the caller's token
  // 6 collect
  bool collected = false;
  std::string collected_body;
  std::unique_ptr<net::Spill> spilled;  // instead of collected_body: too large for memory
  // Of the body that was collected, before the injection.
  std::uint64_t collected_size() const noexcept { return spilled ? spilled->size() : collected_body.size(); }
  // 7 inject
  std::uint64_t asked = 0;  // the challenge that came for it, as Challenges counts; 0: none
  inject::Changes changes;
  std::string out;  // the outbound head, then the body if it was collected
  bool chunked = false;
  Challenges::Answering answering;  // what `out` answers
  std::vector<std::string> proofs;  // signatures of what went out last: no answer shows them
  bool upgrades = false;            // asks for a WebSocket
  std::string_view path_prefix;  // what the injection put before the path, a view into it; taken out of targets again
};

// --- 2 admit ---
// `client`: where it came in; null: from no socket.
Step admit(Request& request, const Common& common, net::Client* client);
// Of a CONNECT; and of a request that came out of a tunnel: its target is then as if it had come to the proxy whole.
Step admit_tunnel(const Request& request);
Step aim_inside(Request& request);

// --- 3 identify ---
bool usable_now(const Caller& caller, std::int64_t now_ms);
Problem unauthenticated(bool base_mode);
std::unexpected<Problem> incapable();  // there is no project where the caller may call
// Header, path, `user` (of the proxy URL; often empty), else what the authorization made the default for the host.
Step name_connection(Request& request, std::string_view user);
// Nothing was named and nothing lets it pass: `choices` are what could be.
Problem unnamed(std::vector<std::string> choices);

// --- 4 authorize ---
// The path as the upstream sees it, but for what an injection puts before it.
std::string path_upstream(const Request& request);
// Sets the target in base-URL mode. Of a CONNECT: what must hold whatever comes through the tunnel.
Step judge(Request& request, const Common& common);
std::unexpected<Problem> needs_reconnect(const Request& request, const Common& common);
// Why the destination is refused, in one sentence: host, port, path or endpoint, and what is allowed instead.
std::string why_not_there(const Request& request, std::string_view path);
// The same of what the caller's token allows: hosts, methods, paths.
std::string why_not_by_token(const Request& request);

// Whether TLS that comes through this CONNECT's tunnel, and is not intercepted because of `why_not`, may go on to the
// host as it is, without a credential.
Step may_pass(const Request& request, std::string_view why_not);
// Why the local CA cannot speak for the host of a CONNECT at this time (seconds since 1970); empty: it can, and the
// host is opted in. `authority` null: there is none.
std::string why_no_certificate(const Request& request, const vault::Authority* authority, std::int64_t now);
inline constexpr std::string_view kNotOptedIn = "it is not in intercept.hosts";
inline constexpr std::string_view kNoConnectionThere = "no connection that this caller may use leads there";

// --- 5 obtain ---
// There is no usable token, and this is why.
std::unexpected<Problem> refuse_renewed(const Request& request, const Common& common, const grants::Renewed& renewed);

// --- 6 collect ---
// Of the body of this request: what the injection needs of needs_body and needs_body_hash.
std::uint8_t asked_of_body(const Request& request);
std::size_t most_collected(const config::Settings& settings);
// Of the head of a request whose body is to be edited or held.
Step may_collect(const Request& request);

// --- 7 inject ---
enum class Fate : std::uint8_t {
  kept,
  refused,          // may be read as an injected one
  of_the_hop,       // hop-by-hop, framing, proxy authentication, ours
  nominated,        // named by a Connection field
  met_here,         // Expect that we answer ourselves
  counted_down,     // Max-Forwards
  callers_token,    // base-URL mode
  of_the_old_body,  // a digest, coding or type of the body that is replaced
  credential_place  // where credentials go, or what overrides a route
};
// What becomes of a field of the caller. Cookie fields of a request with a connection are judged as a whole: see
// passes_cookies().
Fate fate_of(const Request& request, const wire::Field& field);
bool passes_cookies(const Known& known);
bool drops_parameter(const Known& known, std::string_view name);
// The caller's fields and query as they came, for a signer.
void show_sent(const Request& request, inject::Inputs& in, Outbound& shown);
// What the upstream asked before of such a request; nullptr: nothing. Only of a connection that answers challenges.
Challenges::Learned* challenge_for(const Request& request);
std::string make_nonce();  // 32 random lower-case hex characters
// A WebSocket (RFC 6455 section 4.1), asked for on its own, by a request that has nothing else to say.
bool asks_for_websocket(const Request& request);
// Writes `out`. `authority`: what Host says.
Step inject(Request& request, const Common& common, std::string_view authority);
// What counts against a budget of writes.
bool is_write(std::string_view method);
std::unexpected<Problem> budget_exhausted(bool writes);

}  // namespace postern::serve
