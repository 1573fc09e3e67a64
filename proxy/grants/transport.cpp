#include "proxy/grants/transport.hpp"

#include <fmt/format.h>

#include "proxy/net/fetch.hpp"

namespace postern::grants {
namespace {

const char* explain(net::Fault fault) {
  switch (fault) {
    case net::Fault::none:
      return "";
    case net::Fault::dns_failed:
      return "its name does not resolve";
    case net::Fault::dns_timeout:
      return "its name did not resolve in time";
    case net::Fault::address_prohibited:
      return "its address is prohibited";
    case net::Fault::refused:
      return "the connection was refused";
    case net::Fault::connect_timeout:
      return "no connection in time";
    case net::Fault::certificate:
      return "its certificate is not trusted";
    case net::Fault::tls:
      return "TLS failed";
    case net::Fault::client_certificate:
      return "it demands a client certificate, and takes none that was shown";
    case net::Fault::timeout:
      return "no answer in time";
    case net::Fault::malformed:
      return "its answer is no HTTP";
    default:
      return "the connection ended before the answer was whole";
  }
}

}  // namespace

net::Task<Delivery> UpstreamTransport::call(TokenRequest request, net::Millis deadline) {
  const std::shared_ptr<net::Route> route = route_(request.host, request.port);
  net::FetchRequest asked;
  asked.method = request.method;
  // Built in locked memory: a query may hold the secret itself.
  const bool query = !request.query.empty();
  const vault::Secret target =
      vault::Secret::make(request.path.size() + (query ? 1 + request.query.size() : 0), [&](char* to) {
        to = std::copy(request.path.begin(), request.path.end(), to);
        if (query) *to++ = '?';
        std::copy(request.query.expose().begin(), request.query.expose().end(), to);
      });
  asked.target = target.expose();
  for (const Parameter& header : request.headers) asked.fields.emplace_back(header.name, header.value.expose());
  asked.body = request.body.expose();
  asked.deadline = deadline;
  asked.max_body = kMaxAnswer;
  net::Destination to = route->to();
  if (request.identity) to.show(request.identity);
  net::FetchAnswer answer = co_await net::fetch(network_, to, std::move(asked), dial_);
  Delivery out;
  out.sent = answer.sent;
  out.fault = answer.fault;
  if (answer.fault != net::Fault::none)
    out.reason =
        fmt::format("{}: {}{}", request.host, answer.too_large ? "its answer is too large" : explain(answer.fault),
                    answer.reason.empty() || answer.too_large ? "" : " (" + answer.reason + ")");
  out.reply.status = answer.status;
  for (auto& [name, value] : answer.fields) out.reply.headers.emplace_back(std::move(name), vault::Secret::take(value));
  out.reply.body = vault::Secret::take(answer.body);
  co_return out;
}

std::expected<Tokens, Failure> read_delivery(const Reading& reading, const Delivery& delivery) {
  if (delivery.fault == net::Fault::none) return read_answer(reading, delivery.reply);
  const bool nonsense = delivery.fault == net::Fault::malformed;
  return std::unexpected(Failure{nonsense ? Failure::Kind::malformed : Failure::Kind::transient, delivery.reply.status,
                                 "", "the token endpoint could not be asked: " + delivery.reason, std::nullopt});
}

}  // namespace postern::grants
