#pragma once
// The challenges that the upstreams of one connection have sent (RFC 7616): what its next requests answer before they
// are asked. One object a connection and worker; it goes with what is known of the connection.
//
// A protection space is a realm of a host and port, or the part of it that the challenge's `domain` names. Challenges
// of other hosts than the request's own never get here: they came over its verified TLS. Bounded: the oldest goes.
// Thread safety: its worker's thread. Ownership: pointers are good until the next learn() or forget().
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/inject/http_digest.hpp"

namespace postern::serve {

class Challenges {
 public:
  struct Learned {
    std::uint64_t serial = 0;  // of no other one; 0: none
    std::string host;
    std::uint16_t port = 443;
    std::vector<std::string> paths;  // where it holds; empty: everywhere
    inject::DigestChallenge challenge;
    std::string text;              // the same, as an injection reads it
    std::string client_nonce;      // one for all answers: a session key (-sess) is made of it
    std::uint32_t count = 0;       // answers so far
    std::int64_t accepted_ms = 0;  // when an answer was last good; monotonic; 0: never
  };

  // One more answer to one of them, as an injection is given it.
  struct Answering {
    std::uint64_t serial = 0;  // 0: nothing was asked yet
    std::string text, client_nonce;
    std::uint32_t count = 0;
  };
  static Answering answer(Learned* learned);

  bool empty() const noexcept { return all_.empty(); }
  // What a request there answers: the one with the longest path, the newest among equals; nullptr: nothing was asked
  // yet.
  Learned* find(std::string_view host, std::uint16_t port, std::string_view path);
  Learned* find(std::uint64_t serial);
  // In the place of the one of the same realm there.
  Learned& learn(std::string_view host, std::uint16_t port, inject::DigestChallenge challenge);
  void forget(std::uint64_t serial);
  // Another nonce, whose answers count anew.
  static void renew(Learned& learned, std::string nonce);

 private:
  static constexpr std::size_t kMost = 8;
  std::vector<Learned> all_;  // oldest first
  std::uint64_t last_serial_ = 0;
};

}  // namespace postern::serve
