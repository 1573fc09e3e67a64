// Events and the heads of their chains as bytes; record_codec.cpp draws their format. An event's mac is over the bytes
// before it, so that a later version of the format must leave the events of an earlier one as they are.
#include "vault/record_bytes.hpp"
#include "vault/record_codec.hpp"

namespace postern::vault {
namespace {

void write_event(Writer& out, const Event& record) {
  out.text(record.organization);
  out.number(record.sequence);
  out.number(record.time);
  for (const auto* field :
       {&record.actor, &record.actor_name, &record.request, &record.action, &record.subject, &record.project}) {
    out.text(*field);
  }
  out.count(record.detail.size());
  for (const auto& [name, value] : record.detail) {
    out.text(name);
    out.text(value);
  }
  out.number(record.count);
  out.number(record.first);
  out.number(record.last);
  out.number(record.missed);
  out.number(record.missed_since);
}

}  // namespace

std::string encode_without_mac(const Event& record) {
  Writer out(Kind::event);
  write_event(out, record);
  return out.done();
}

std::string encode(const Event& record) {
  Writer out(Kind::event);
  write_event(out, record);
  out.text(record.mac);
  return out.done();
}

template <>
Result<Event> decode(std::string_view bytes) {
  Reader in(bytes, Kind::event);
  Event record;
  record.organization = in.text();
  record.sequence = in.number<std::uint64_t>();
  record.time = in.number<std::int64_t>();
  for (auto* field :
       {&record.actor, &record.actor_name, &record.request, &record.action, &record.subject, &record.project}) {
    *field = in.text();
  }
  for (std::size_t left = in.count(8); left != 0; --left) {
    std::string name = in.text();
    if (!record.detail.empty() && record.detail.rbegin()->first >= name) in.refuse();
    record.detail.insert_or_assign(std::move(name), in.text());
  }
  record.count = in.number<std::uint64_t>();
  record.first = in.number<std::int64_t>();
  record.last = in.number<std::int64_t>();
  record.missed = in.number<std::uint64_t>();
  record.missed_since = in.number<std::int64_t>();
  record.mac = in.text();
  return finish(in, std::move(record), "an event");
}

std::string encode(const AuditHead& record) {
  Writer out(Kind::audit_head);
  out.text(record.organization);
  for (const auto* at : {&record.end, &record.checkpoint}) {
    out.number(at->sequence);
    out.text(at->mac);
  }
  out.number(record.checkpoint_time);
  out.number(record.bytes);
  out.number(record.dropped);
  out.number(record.dropped_since);
  return out.done();
}

template <>
Result<AuditHead> decode(std::string_view bytes) {
  Reader in(bytes, Kind::audit_head);
  AuditHead record;
  record.organization = in.text();
  for (auto* at : {&record.end, &record.checkpoint}) {
    at->sequence = in.number<std::uint64_t>();
    at->mac = in.text();
  }
  record.checkpoint_time = in.number<std::int64_t>();
  record.bytes = in.number<std::uint64_t>();
  record.dropped = in.number<std::uint64_t>();
  record.dropped_since = in.number<std::int64_t>();
  return finish(in, std::move(record), "the head of an audit chain");
}

}  // namespace postern::vault
