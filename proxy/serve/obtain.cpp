// 5 obtain: a usable credential. Static ones are opened once a generation and kept ready; nothing waits here in the
// steady state.
#include "proxy/serve/call.hpp"

namespace postern::serve {

net::Task<Step> obtain(Call& call) {
  if (!call.connection || call.connection->injection) co_return Step{};
  std::string detail;
  Trouble trouble = co_await call.service().directory().obtain(*call.connection, detail);
  if (trouble != Trouble::none && !call.connection->live) {
    // Rotated or deleted between the two reads: look once more at what it is now.
    Found<Known> again = co_await call.service().directory().find(*call.caller, call.reference);
    if (!again.value) {
      co_return refuse(
          Code::connection_unavailable,
          "No such connection is available to this caller; check its id or alias, and the token's connections.");
    }
    call.connection = std::move(again.value);
    if (Step step = authorize(call); !step) co_return step;
    trouble = co_await call.service().directory().obtain(*call.connection, detail);
  }
  if (trouble == Trouble::none) co_return Step{};
  if (trouble == Trouble::broken) {
    Problem p{Code::connection_error,
              "The connection's configuration does not fit the catalog any more; an administrator must put its "
              "provider back or make it anew.",
              {},
              {},
              detail};
    co_return std::unexpected(std::move(p));
  }
  Problem p{Code::vault_unavailable,
            "The connection's credential cannot be opened at the moment; try again.",
            {},
            {},
            detail};
  co_return std::unexpected(std::move(p));
}

}  // namespace postern::serve
