#include "proxy/serve/spilled.hpp"

#include "proxy/serve/call.hpp"

namespace postern::serve {
namespace {

// What goes to or comes from the disk at a time: few trips to another thread, little memory.
constexpr std::size_t kTrip = 4 * net::Spill::kPiece;

std::unexpected<Problem> refuse_to_keep(const net::Spill& spill, net::Spill::Wrote wrote) {
  using Wrote = net::Spill::Wrote;
  if (wrote == Wrote::too_large)
    return refuse(Code::body_too_large_to_sign,
                  "This connection's scheme reads the body, which must then fit limits.body_spill.");
  Problem problem{Code::overloaded, "There is no room to keep the body that is to be signed; try again.", {}, {}, {}};
  problem.private_detail = wrote == Wrote::failed ? spill.error() : "limits.body_spill is reached";
  return std::unexpected(std::move(problem));
}

}  // namespace

bool may_spill(const Request& request) {
  if (request.settings().body_spill == 0 || asked_of_body(request) != inject::needs_body_hash) return false;
  const auto& told = request.connection->plan.sign;
  const auto spill = told.find("spill");
  return spill == told.end() || spill->second != "no";
}

std::uint64_t most_kept(const Request& request) {
  const std::uint64_t in_memory = most_collected(request.settings());
  return may_spill(request) ? std::max(in_memory, request.settings().body_spill) : in_memory;
}

net::Task<Step> spill_rest(Call& call, std::string_view more) {
  const Common& common = call.service().common();
  boost::asio::io_context& home = call.service().worker().context();
  if (call.held < kTrip && !call.service().hold(call, kTrip - call.held)) co_return refuse_overload();
  std::string error;
  call.spilled =
      co_await common.body_offload->run(home, [&] { return common.spills->begin(call.settings().body_spill, error); });
  if (!call.spilled) {
    Problem problem{Code::overloaded, "There is no room to keep the body that is to be signed; try again.", {}, {}, {}};
    problem.private_detail = std::move(error);
    co_return std::unexpected(std::move(problem));
  }
  net::Spill& spill = *call.spilled;
  std::string stage = std::move(call.collected_body);
  call.collected_body = {};
  stage.append(more);
  for (bool end = false;;) {
    if (stage.size() >= kTrip || end) {
      const auto wrote = co_await common.body_offload->run(home, [&] {
        const auto written = spill.write(stage);
        return written == net::Spill::Wrote::ok && end ? spill.finish() : written;
      });
      if (wrote != net::Spill::Wrote::ok) co_return refuse_to_keep(spill, wrote);
      stage.clear();
    }
    if (end) break;
    const net::RequestBody::Piece piece = co_await call.body.next(call.settings().timeouts.stream_idle);
    if (piece.fault != net::Fault::none) {
      call.silent = piece.fault == net::Fault::client_gone;
      co_return std::unexpected(from_fault(piece.fault, call.target.host, {}));
    }
    stage.append(piece.data);
    end = piece.end;
  }
  // From now on only what is on its way to the upstream is held.
  if (call.held > kTrip) call.service().let_go(call, call.held - kTrip);
  co_return Step{};
}

net::Task<net::RequestBody::Piece> SpilledBody::next() {
  const bool read = co_await offload_.run(home_, [this] {
    pieces_.clear();
    bool fine = true;
    while (fine && number_ < spill_.pieces() && pieces_.size() < kTrip) fine = spill_.read(number_++, pieces_);
    return fine;
  });
  if (!read) co_return net::RequestBody::Piece{net::Fault::body_lost, {}, false};
  co_return net::RequestBody::Piece{net::Fault::none, pieces_, number_ == spill_.pieces()};
}

}  // namespace postern::serve
