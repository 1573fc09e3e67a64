#include "proxy/serve/challenges.hpp"

#include <algorithm>

#include "proxy/serve/decide.hpp"

namespace postern::serve {
namespace {

// RFC 7616 section 3.3: URIs of this server, by path; those of other servers say nothing about this one.
std::vector<std::string> paths_in(std::string_view domain, std::string_view host) {
  std::vector<std::string> out;
  while (!domain.empty()) {
    const std::size_t end = std::min(domain.find(' '), domain.size());
    std::string_view one = domain.substr(0, end);
    domain.remove_prefix(std::min(end + 1, domain.size()));
    if (const std::size_t scheme = one.find("://"); scheme != std::string_view::npos) {
      one.remove_prefix(scheme + 3);
      const std::size_t path = std::min(one.find('/'), one.size());
      if (one.substr(0, std::min(one.find(':'), path)) != host) continue;
      one.remove_prefix(path);
      if (one.empty()) one = "/";
    }
    if (one.starts_with('/')) out.emplace_back(one);
  }
  return out;
}

// How much of `path` is a prefix of this space, by characters as the RFC has it; 0: it lies outside. Never 0 inside.
std::size_t depth_of(const Challenges::Learned& learned, std::string_view path) {
  if (learned.paths.empty()) return 1;
  std::size_t deepest = 0;
  for (const std::string& prefix : learned.paths)
    if (path.starts_with(prefix)) deepest = std::max(deepest, prefix.size() + 1);
  return deepest;
}

}  // namespace

Challenges::Learned* Challenges::find(std::string_view host, std::uint16_t port, std::string_view path) {
  Learned* best = nullptr;
  std::size_t depth = 0;
  for (Learned& one : all_) {
    if (one.host != host || one.port != port) continue;
    if (const std::size_t here = depth_of(one, path); here >= depth && here != 0) {
      depth = here;
      best = &one;
    }
  }
  return best;
}

Challenges::Learned* Challenges::find(std::uint64_t serial) {
  const auto at = std::find_if(all_.begin(), all_.end(), [&](const Learned& one) { return one.serial == serial; });
  return at == all_.end() ? nullptr : &*at;
}

Challenges::Learned& Challenges::learn(std::string_view host, std::uint16_t port, inject::DigestChallenge challenge) {
  Learned made;
  const auto same = std::find_if(all_.begin(), all_.end(), [&](const Learned& one) {
    return one.host == host && one.port == port && one.challenge.realm == challenge.realm;
  });
  const bool known = same != all_.end() && same->challenge.nonce == challenge.nonce;
  if (known) made = std::move(*same);
  if (same != all_.end()) all_.erase(same);
  if (all_.size() == kMost) all_.erase(all_.begin());
  made.serial = ++last_serial_;
  made.host = host;
  made.port = port;
  made.paths = paths_in(challenge.domain, host);
  made.challenge = std::move(challenge);
  made.challenge.stale = false;
  made.text = inject::to_text(made.challenge);
  // A nonce that comes again goes on counting: no count is used twice with it.
  if (!known) renew(made, made.challenge.nonce);
  return all_.emplace_back(std::move(made));
}

Challenges::Answering Challenges::answer(Learned* learned) {
  if (learned == nullptr) return {};
  return {learned->serial, learned->text, learned->client_nonce, ++learned->count};
}

void Challenges::forget(std::uint64_t serial) {
  std::erase_if(all_, [&](const Learned& one) { return one.serial == serial; });
}

void Challenges::renew(Learned& learned, std::string nonce) {
  learned.challenge.nonce = std::move(nonce);
  learned.challenge.stale = false;
  learned.text = inject::to_text(learned.challenge);
  learned.client_nonce = make_nonce();
  learned.count = 0;
}

}  // namespace postern::serve
