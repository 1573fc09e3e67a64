// 5 obtain: a usable credential, opened once a generation and kept ready. A fetched token is looked at by the clock: a
// due one is used and renewed in the background, one that is about to end is renewed first. Nothing waits here in the
// steady state.
#include <time.h>

#include <algorithm>

#include "proxy/serve/call.hpp"

namespace postern::serve {
namespace {

using grants::Freshness;
using grants::Renewed;
using grants::Why;
using Kind = Renewed::Kind;

constexpr int kRounds = 3;                   // of a token that is replaced while we look
constexpr std::int64_t kAskAgainMs = 1'000;  // in the background, while nothing comes of it

std::int64_t boot_ms() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * 1'000 + now.tv_nsec / 1'000'000;
}

Freshness freshness(const Call& call) {
  const Known& known = *call.connection;
  if (!known.fetched || known.age.wall.due == INT64_MAX) return Freshness::fresh;
  return known.age.at(call.service().common().now_ms(), boot_ms());
}

void renew_in_background(Call& call) {
  Known& known = *call.connection;
  grants::TokenDesk* const desk = call.service().common().tokens;
  const std::int64_t now = net::monotonic_ms();
  if (desk == nullptr || now - known.asked_ms < kAskAgainMs) return;
  known.asked_ms = now;
  desk->refresh({known.meta.organization, known.meta.project, known.meta.id}, known.age.generation, Why::due, {});
}

Step look_again(Call& call, Found<Known> again) {
  if (!again.value) return std::unexpected(from_trouble(again.trouble, std::move(again.detail)));
  call.connection = std::move(again.value);
  return authorize(call);
}

net::Task<Step> open_credential(Call& call) {
  Directory& directory = call.service().directory();
  std::string detail;
  Trouble trouble = co_await directory.obtain(*call.connection, detail);
  for (int round = 0; trouble != Trouble::none && !call.connection->live && round < kRounds; ++round) {
    // Rotated or deleted between the two reads: look once more at what it is now.
    if (Step step = look_again(call, co_await directory.find(*call.caller, call.reference)); !step) co_return step;
    trouble = co_await directory.obtain(*call.connection, detail);
  }
  if (trouble == Trouble::none) {
    if (!call.route) find_route(call);
    co_return Step{};
  }
  // A connection that was found has a credential: one that is missing is the vault's trouble, not the caller's.
  co_return std::unexpected(from_trouble(trouble == Trouble::unknown ? Trouble::vault : trouble, std::move(detail)));
}

std::unexpected<Problem> refuse_with(Code code, std::string detail, const Renewed& renewed) {
  Problem problem{code, std::move(detail), {}, {}, renewed.text};
  if (renewed.retry_after_ms > 0)
    problem.retry_after =
        static_cast<std::uint32_t>(std::min<std::int64_t>((renewed.retry_after_ms + 999) / 1'000, 3'600));
  return std::unexpected(std::move(problem));
}

net::Task<Step> make_ready(Call& call) {
  for (int round = 0; round < kRounds; ++round) {
    if (Step step = co_await open_credential(call); !step) co_return step;
    const Freshness fresh = freshness(call);
    if (fresh == Freshness::due) renew_in_background(call);
    if (call.connection->injection && fresh <= Freshness::due) co_return Step{};
    const Renewed renewed = co_await renew(call, fresh == Freshness::forced ? Why::forced : Why::ended);
    if (renewed.kind != Kind::renewed && renewed.kind != Kind::current) {
      // The old one is good until it really ends.
      if (call.connection->injection && freshness(call) != Freshness::ended) co_return Step{};
      co_return refuse_renewed(call, call.service().common(), renewed);
    }
    Directory& directory = call.service().directory();
    if (Step step = look_again(call, co_await directory.find(*call.caller, call.reference)); !step) co_return step;
    if (renewed.kind != Kind::renewed) continue;
    // A waiter uses the flight's token whatever its lifetime.
    if (Step step = co_await open_credential(call); !step) co_return step;
    if (call.connection->injection) co_return Step{};
  }
  co_return refuse_renewed(call, call.service().common(), {Kind::in_progress, 0, {}, {}, 0});
}

// Resumes on this worker's thread, with the desk's answer or when the call ends before that; the flight goes on either
// way.
class Asking final : public Waiting {
 public:
  Asking(Call& call, Why why) : call_(call), why_(why) {}
  ~Asking() override { call_.waiting = nullptr; }
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;
  bool await_ready() const noexcept { return call_.ended || call_.service().common().tokens == nullptr; }
  void await_suspend(std::coroutine_handle<> handle) {
    call_.waiting = this;
    *here_ = this;
    handle_ = handle;
    const Known& known = *call_.connection;
    boost::asio::io_context& home = call_.service().worker().context();
    call_.service().common().tokens->refresh(
        {known.meta.organization, known.meta.project, known.meta.id}, known.age.generation, why_,
        [here = here_, guard = boost::asio::make_work_guard(home), &home](Renewed renewed) {
          boost::asio::post(home, [here, renewed = std::move(renewed)]() mutable {
            if (*here != nullptr) (*here)->resume(std::move(renewed));
          });
        });
  }
  Renewed await_resume() { return std::move(renewed_); }
  void give_up() override {
    boost::asio::post(call_.service().worker().context(), [here = here_] {
      if (*here != nullptr) (*here)->resume({Kind::in_progress, 0, {}, {}, 0});
    });
  }

 private:
  void resume(Renewed renewed) {
    *here_ = nullptr;
    call_.waiting = nullptr;
    renewed_ = std::move(renewed);
    handle_.resume();
  }

  Call& call_;
  const Why why_;
  std::shared_ptr<Asking*> here_ = std::make_shared<Asking*>(nullptr);  // null: not waiting any more
  std::coroutine_handle<> handle_;
  Renewed renewed_{Kind::unavailable, 0, {}, "nothing renews tokens here", 0};
};

}  // namespace

net::Task<Renewed> renew(Call& call, Why why) {
  co_return co_await Asking(call, why);
}

std::unexpected<Problem> refuse_renewed(const Request& request, const Common& common, const Renewed& renewed) {
  switch (renewed.kind) {
    case Kind::rejected:
      if (renewed.reason != "credentials_rejected") return needs_reconnect(request, common);
      return refuse_with(Code::connection_error, "The service rejected the connection's credentials; rotate them.",
                         renewed);
    case Kind::client:
      return refuse_with(Code::connection_error,
                         "The service rejected the client of the connection's auth config; an administrator must put "
                         "its id and secret right.",
                         renewed);
    case Kind::configuration:
      return refuse_with(Code::connection_error,
                         "The token endpoint refuses what this connection asks for; an administrator must put its "
                         "configuration right.",
                         renewed);
    case Kind::held:
      return refuse_with(Code::connection_error,
                         "The vault is a copy, so that its tokens may be another's by now; an administrator settles "
                         "that with --accept-copy.",
                         renewed);
    case Kind::disabled:
      if (request.connection->meta.auth_config.empty())
        return refuse_with(Code::connection_revoked, "The connection is disabled; enable it.", renewed);
      return refuse_with(Code::auth_config_disabled,
                         "The connection or its auth config is disabled; an administrator can enable it.", renewed);
    case Kind::gone:
      return std::unexpected(from_trouble(Trouble::unknown, {}));
    case Kind::vault:
      return std::unexpected(from_trouble(Trouble::vault, renewed.text));
    case Kind::unavailable:
      return refuse_with(Code::token_endpoint_unavailable,
                         "The service's token endpoint cannot be reached and the connection's token has ended; try "
                         "again later.",
                         renewed);
    case Kind::renewed:
    case Kind::current:
    case Kind::in_progress:
    case Kind::limited:
      break;
  }
  return refuse(Code::refresh_in_progress, "The connection's token is being renewed; try again.");
}

std::unexpected<Problem> needs_reconnect(const Request& request, const Common& common) {
  Problem problem{Code::connection_needs_reconnect,
                  "The connection's authorization has ended; a person must connect it again at connectUrl.",
                  {},
                  {},
                  {}};
  const std::string& configured = request.settings().public_url;
  problem.connect_url =
      (configured.empty() ? common.admin_url : configured) + "/connect?connection=" + request.connection->meta.id;
  return std::unexpected(std::move(problem));
}

net::Soon<Step> obtain(Call& call) {
  if (!call.connection) return Step{};
  if (!call.connection->injection) return make_ready(call);
  const Freshness fresh = freshness(call);
  if (fresh > Freshness::due) return make_ready(call);
  if (fresh == Freshness::due) renew_in_background(call);
  return Step{};
}

}  // namespace postern::serve
