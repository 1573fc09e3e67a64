#pragma once
// What one worker serves with: settings, directory, network, and the calls under way.
//
// Thread safety: its worker's thread, except the constructor. Ownership: borrows worker, offload and source, which
// outlive it.
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"
#include "proxy/grants/token_desk.hpp"
#include "proxy/net/exchange.hpp"
#include "proxy/net/leaves.hpp"
#include "proxy/serve/directory.hpp"
#include "proxy/serve/noted.hpp"
#include "vault/authority.hpp"

namespace postern::serve {

struct Call;
struct Session;

// upstream.hosts, ready to match.
struct HostException {
  std::string host;  // exact, or ".suffix"
  bool wildcard = false;
  std::uint16_t port = 443;
  std::optional<net::Endpoint> fixed;
  std::shared_ptr<const net::Trust> trust;
  std::vector<net::Range> ranges;
};

// What a reload replaces, as one immutable whole. A call keeps those under which its connection was found.
struct Rules {
  std::shared_ptr<const config::Settings> settings;
  std::shared_ptr<const net::Trust> trust;
  std::vector<HostException> exceptions;
  std::shared_ptr<Source> source;
};

// Where a host and port lead by these rules, the exceptions applied.
net::Destination destination_of(const Rules& rules, const std::string& host, std::uint16_t port, bool ip_literal);
bool is_ip_literal(std::string_view host) noexcept;  // of a host that is one or a name, without brackets

// Shared by all workers, immutable once they run.
struct Common {
  net::AddressPolicy addresses;
  std::vector<net::Endpoint> listeners;  // our own, as bound
  std::string pseudonym;                 // postern-<vault id>
  std::string via_10, via_11;            // the Via we add, by the version that came in
  net::Offload* vault_offload = nullptr;
  net::Offload* dns_offload = nullptr;
  std::function<std::int64_t()> now_ms;  // wall clock
  grants::TokenDesk* tokens = nullptr;   // null: nothing is renewed
  Noted* noted = nullptr;                // null: nobody is told of uses and denials
  std::string admin_url;                 // where people reach the pages, unless admin.public_url says otherwise
};

net::ExchangeTimeouts exchange_timeouts(const config::Settings& settings);
// Of limits.buffered, for one worker; never so small that it could serve nobody.
std::uint64_t share_of_memory(const config::Settings& settings);
// The first of egress.allow that lets it pass; null: none does.
const config::HostRule* egress_rule(const config::Settings& settings, std::string_view host, std::uint16_t port);
bool egress_allows(const config::Settings& settings, std::string_view host, std::uint16_t port);
// intercept.hosts holds it: a tunnel there may be opened. `host` as a Target has it: lower case, without a last dot.
bool intercepts(const config::Settings& settings, std::string_view host, std::uint16_t port);
// Whether a Host names one of our listeners; port 0: none was written.
bool is_own_host(const Common& common, std::string_view host, std::uint16_t port);

class Service {
 public:
  Service(net::Worker& worker, std::shared_ptr<const Common> common, std::shared_ptr<const Rules> rules);
  ~Service();

  // Serves one accepted connection until it ends.
  void accept(int fd);
  // Answers 503 to a connection over the limit and closes it.
  void turn_away(int fd);
  // The same where even that is too much: what the socket takes at once, then closed. Any thread.
  static void turn_away_at_once(int fd) noexcept;
  // Open client connections; may be asked from any thread.
  std::size_t open_connections() const noexcept { return open_.load(std::memory_order_relaxed); }

  // A change: forget it, and end the calls that run on what ended.
  void forget(const Forget& what, bool ended);
  // New rules for the calls that begin from now on; forgets every connection and caller, and idle upstream connections,
  // so that nothing of the old trust and exceptions lives on in them.
  void adopt(std::shared_ptr<const Rules> rules);
  // The local authority for handshakes from now on, and what signs with it (one for all workers); both null: there is
  // none, and nothing is intercepted.
  void use_authority(std::shared_ptr<const vault::Authority> authority, std::shared_ptr<const net::Issuer> issuer);
  // No new requests: idle connections close now, others after their answer; `drained` is called when all are gone.
  void drain(std::function<void()> drained);
  // Cuts what is still running.
  void abort_all();

  // --- for the steps of the story ---
  net::Worker& worker() noexcept { return worker_; }
  const Common& common() const noexcept { return *common_; }
  // Of the calls that begin now; a call has its own.
  const Rules& rules() const noexcept { return *rules_; }
  const config::Settings& settings() const noexcept { return *rules_->settings; }
  Directory& directory() noexcept { return directory_; }
  net::Network& network() noexcept { return network_; }
  bool draining() const noexcept { return draining_; }
  const vault::Authority* authority() const noexcept { return authority_.get(); }  // null: none
  net::Leaves& leaves() noexcept { return leaves_; }
  std::shared_ptr<net::Route> route(const Rules& rules, std::string_view tag, const std::string& host,
                                    std::uint16_t port, bool ip_literal);
  // New work would cost memory or turns that are not there: limits.requests, limits.buffered. Each worker has its
  // share.
  bool overloaded(const config::Settings& settings) const noexcept;
  // Memory for a body of this call, until the call ends; false: there is no more.
  bool hold(Call& call, std::size_t bytes) noexcept;
  // The requests of a client connection, or of the tunnel that it is in, one after the other, until one of the two has
  // had enough.
  net::Task<void> requests(Session& session);
  // From now on this CONNECT only carries requests: it is a connection, and they are what is under way.
  void carry(Call& call);
  std::unique_ptr<Call> take_call(Session& session);
  void give_call(std::unique_ptr<Call> call);
  std::string_view next_request_id();
  std::int64_t today() const noexcept { return today_; }  // as of the last round
  // The slow part of note_use(), and denials.
  void tell_use(Call& call);
  void tell_denial(const Call& call);
  // Access lines wait on this thread: hand them over within a tick.
  void log_soon() {
    if (!log_.armed()) log_.arm(net::Millis(0));
  }

 private:
  friend struct Session;
  static constexpr net::Millis kRound{300};  // how often running calls are looked at
  net::Task<void> run(int fd);
  net::Task<void> refuse_overload(int fd);
  void round();
  void session_gone(Session* session);
  void drop_retired();
  void end_turn(Call& call) noexcept;
  std::size_t under_way() const noexcept { return active_.size() - carrying_; }
  std::uint64_t memory() const noexcept;

  net::Worker& worker_;
  std::shared_ptr<const Common> common_;
  std::shared_ptr<const Rules> rules_;
  std::vector<std::shared_ptr<const Rules>> retired_;  // that calls under way began with
  Directory directory_;
  net::Resolver resolver_;
  net::Pool pool_;
  net::Network network_;
  std::shared_ptr<const vault::Authority> authority_;
  net::Leaves leaves_;
  std::vector<std::unique_ptr<Call>> spare_calls_;
  std::vector<Call*> active_;
  std::size_t carrying_ = 0;  // of them: tunnels that requests come out of
  std::vector<Session*> sessions_;
  std::atomic<std::size_t> open_{0};
  net::Deadline round_, log_;
  std::function<void()> drained_;
  std::string request_id_;
  std::uint64_t request_count_ = 0;
  std::string key_;         // scratch
  std::size_t bodies_ = 0;  // bytes that calls hold of collected bodies
  bool draining_ = false;
  std::int64_t today_;
};

}  // namespace postern::serve
