// 10 record: access line and metrics, for every request, whatever happened.
#include "proxy/observe/log.hpp"
#include "proxy/serve/call.hpp"

namespace postern::serve {
namespace {

observe::Counter class_of(const Call& call) {
  using observe::Counter;
  if (call.aborted) return Counter::requests_aborted;
  switch (call.status / 100) {
    case 1:
      return Counter::requests_1xx;
    case 2:
      return Counter::requests_2xx;
    case 3:
      return Counter::requests_3xx;
    case 4:
      return Counter::requests_4xx;
    case 5:
      return Counter::requests_5xx;
    default:
      return Counter::requests_aborted;
  }
}

}  // namespace

void record(Call& call) {
  observe::Shard& metrics = call.service().worker().metrics();
  if (call.silent) call.aborted = true;
  metrics.add(class_of(call));
  if (call.code[0] != '\0') {
    metrics.add(observe::Counter::own_errors);
    if (call.status == 403 || call.status == 407) call.service().tell_denial(call);
  }
  const auto elapsed =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - call.started);
  const auto microseconds = static_cast<std::uint64_t>(elapsed.count());
  const bool tunnel = call.tunnel_kind[0] != '\0';
  metrics.observe(tunnel ? observe::Histogram::tunnel_seconds : observe::Histogram::request_seconds, microseconds);
  if (tunnel) metrics.add(observe::Gauge::open_tunnels, -1);
  if (!call.settings().access_log) return;

  observe::Access line;
  line.request_id = call.request_id;
  if (call.caller) {
    line.authorization = call.caller->authorization.id;
    line.run = call.caller->authorization.run;
  }
  line.connection = call.connection ? call.connection->meta.id : call.connection_id;
  line.method = call.head.method;
  line.host = call.target.host;
  line.port = call.target.form == wire::Form::authority ? call.target.written_port : call.target.port;
  line.path = call.target.path_only();
  line.code = call.code;
  line.status = call.status;
  line.tunnel = call.tunnel_kind;
  line.bytes_in = call.carried_in + call.client().bytes_in;
  line.bytes_out = call.carried_out + call.client().bytes_out;
  line.microseconds = microseconds;
  line.upstream_head_us = call.upstream_head_us;
  line.upstream_reused = call.reused;
  line.aborted = call.aborted;
  if (observe::log_access(line)) call.service().log_soon();
}

}  // namespace postern::serve
