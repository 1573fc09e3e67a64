#include "proxy/net/resolver.hpp"

#include <netdb.h>
#include <resolv.h>

namespace postern::net {

std::vector<Endpoint> system_lookup(const std::string& host) {
  // Absolute names only: `api` must never become `api.corp.example`. The resolver state is this thread's own.
  static thread_local const bool prepared = [] {
    res_init();
    _res.options &= ~static_cast<unsigned long>(RES_DNSRCH | RES_DEFNAMES);
    return true;
  }();
  static_cast<void>(prepared);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  if (getaddrinfo(host.c_str(), nullptr, &hints, &list) != 0) return {};
  std::vector<Endpoint> found;
  for (const addrinfo* a = list; a != nullptr; a = a->ai_next) {
    if (a->ai_family == AF_INET || a->ai_family == AF_INET6) found.push_back(Endpoint::from(a->ai_addr, a->ai_addrlen));
  }
  freeaddrinfo(list);
  return found;
}

void Resolver::Entry::expire(void* self) {
  auto& entry = *static_cast<Entry*>(self);
  entry.answer = {Fault::dns_timeout, {}};
  entry.done.set();
}

Task<void> Resolver::fly(std::string host, std::shared_ptr<Entry> entry) {
  std::vector<Endpoint> found = co_await offload_.run(worker_.context(), [&] { return lookup_(host); });
  worker_.metrics().add(observe::Counter::dns_lookups);
  if (found.empty()) worker_.metrics().add(observe::Counter::dns_failures);
  entry->deadline.disarm();
  entry->in_flight = false;
  entry->fresh_until = monotonic_ms() + (found.empty() ? kKeepFailure : kKeep).count();
  entry->answer = found.empty() ? Resolved{Fault::dns_failed, {}} : Resolved{Fault::none, std::move(found)};
  entry->done.set();
}

Task<Resolved> Resolver::resolve(const std::string& host, Millis deadline) {
  auto& slot = entries_[host];
  if (!slot) slot = std::make_shared<Entry>(worker_.ticker());
  const std::shared_ptr<Entry> entry = slot;
  if (!entry->in_flight) {
    if (entry->fresh_until > monotonic_ms()) co_return entry->answer;
    if (entries_.size() > kMax) {
      std::erase_if(entries_, [](const auto& row) { return row.second.use_count() == 1 && !row.second->in_flight; });
    }
    entry->in_flight = true;
    entry->done.reset();
    entry->deadline.arm(deadline);
    spawn(fly(host, entry));
  }
  if (!entry->done.is_set()) co_await entry->done.wait();
  co_return entry->answer;
}

}  // namespace postern::net
