// 6 collect: only if the injection asks for the body: buffer it up to limits.body_buffer, then 413, or, if it is only
// to be read for a signature, on in a file. Small bodies, too, where the token may be refused or a challenge come.
#include <algorithm>

#include "proxy/serve/call.hpp"
#include "proxy/serve/spilled.hpp"

namespace postern::serve {

namespace {

// What a refused token may cost, or a challenge: such a body is sent again (DESIGN section 7 point 7).
constexpr std::uint64_t kSmall = 64 * 1024;

// A small body is held only if we know at once that it is one, and nobody waits for the upstream's word on it.
bool may_be_needed_again(const Call& call) {
  return (call.connection->fetched || call.connection->answers_challenges) && call.head.body == wire::Body::length &&
         call.head.content_length <= kSmall && !call.head.expect_continue;
}

std::unexpected<Problem> too_large(const Request& request) {
  if ((asked_of_body(request) & inject::needs_body) == 0)
    return refuse(
        Code::body_too_large_to_sign,
        "This connection's scheme reads the body, which must then fit limits.body_buffer, or limits.body_spill where "
        "bodies may be kept on disk.");
  return refuse(Code::body_too_large,
                "This connection's credential goes into the body, which must then fit limits.body_buffer.");
}

net::Task<Step> collect_body(Call& call) {
  const std::size_t most = most_collected(call.settings());
  if (Step step = may_collect(call); !step) co_return step;
  call.collected = true;
  call.collected_body.clear();
  const net::Millis stall = call.settings().timeouts.stream_idle;
  if (call.head.expect_continue && !call.body.ended()) {
    // We are the ones who want the body now.
    if (co_await call.client().write("HTTP/1.1 100 Continue\r\n\r\n", stall) != net::Io::ok) {
      call.silent = true;
      co_return refuse(Code::internal_error, {});
    }
  }
  while (!call.body.ended()) {
    const net::RequestBody::Piece piece = co_await call.body.next(stall);
    if (piece.fault != net::Fault::none) {
      call.silent = piece.fault == net::Fault::client_gone;
      co_return std::unexpected(from_fault(piece.fault, call.target.host, {}));
    }
    if (call.collected_body.size() + piece.data.size() > most) {
      if (!may_spill(call) || call.service().common().spills == nullptr) co_return too_large(call);
      co_return co_await spill_rest(call, piece.data);
    }
    // Twice: what was collected, and the request that is made of it.
    if (!call.service().hold(call, 2 * piece.data.size())) co_return refuse_overload();
    call.collected_body.append(piece.data);
  }
  co_return Step{};
}

}  // namespace

std::uint8_t asked_of_body(const Request& request) {
  const inject::Injection& injection = *request.connection->injection;
  const std::uint8_t needs = injection.needs();
  if ((needs & inject::needs_body_hash) == 0) return needs & inject::needs_body;
  if (request.head.body == wire::Body::none) return needs & inject::needs_body;
  inject::Inputs in;
  Outbound shown;
  in.method = request.head.method;
  if (const auto* type = request.head.fields.find(wire::FieldId::content_type)) in.content_type = type->value;
  if (const auto* coding = request.head.fields.find(wire::FieldId::content_encoding))
    in.content_encoding = coding->value;
  if ((needs & inject::needs_challenge) != 0)
    if (const auto* learned = challenge_for(request)) in.challenge = learned->text;
  show_sent(request, in, shown);
  return injection.needs_of(in) & (inject::needs_body | inject::needs_body_hash);
}

std::size_t most_collected(const config::Settings& settings) {
  // What could not be held even alone is too large for good, not for the moment.
  const std::uint64_t room = share_of_memory(settings) - net::kBufferSize;
  return static_cast<std::size_t>(std::min<std::uint64_t>(settings.body_buffer, room / 2));
}

Step may_collect(const Request& request) {
  // Two of these would let one hide the other from the edit.
  for (const wire::FieldId id : {wire::FieldId::content_type, wire::FieldId::content_encoding}) {
    int lines = 0;
    for (const wire::Field& field : request.head.fields.all()) lines += field.id == id ? 1 : 0;
    if (lines > 1 && (asked_of_body(request) & inject::needs_body) != 0)
      return refuse(Code::malformed_request,
                    "Content-Type and Content-Encoding may be sent once where the credential goes into the body.");
  }
  if (request.head.body == wire::Body::length && request.head.content_length > most_kept(request))
    return too_large(request);
  return {};
}

net::Soon<Step> collect(Call& call) {
  if (!call.connection || (asked_of_body(call) == 0 && !may_be_needed_again(call))) return Step{};
  return collect_body(call);
}

}  // namespace postern::serve
