// 5 obtain: a usable credential. Static ones are opened once a generation and kept ready; nothing waits here in the
// steady state.
#include "proxy/serve/call.hpp"

namespace postern::serve {
namespace {

net::Task<Step> open_credential(Call& call) {
  Directory& directory = call.service().directory();
  std::string detail;
  Trouble trouble = co_await directory.obtain(*call.connection, detail);
  if (trouble != Trouble::none && !call.connection->live) {
    // Rotated or deleted between the two reads: look once more at what it is now.
    Found<Known> again = co_await directory.find(*call.caller, call.reference);
    if (!again.value) co_return std::unexpected(from_trouble(again.trouble, std::move(again.detail)));
    call.connection = std::move(again.value);
    if (Step step = authorize(call); !step) co_return step;
    trouble = co_await directory.obtain(*call.connection, detail);
  }
  if (trouble == Trouble::none) co_return Step{};
  // A connection that was found has a credential: one that is missing is the vault's trouble, not the caller's.
  co_return std::unexpected(from_trouble(trouble == Trouble::unknown ? Trouble::vault : trouble, std::move(detail)));
}

}  // namespace

net::Soon<Step> obtain(Call& call) {
  if (!call.connection || call.connection->injection) return Step{};
  return open_credential(call);
}

}  // namespace postern::serve
