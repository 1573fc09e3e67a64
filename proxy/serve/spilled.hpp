#pragma once
// A collected body that is too large for memory: how it gets into its file (6 collect), how a signer reads it (7
// inject) and how it goes out (8 forward).
//
// Thread safety: a call's own. Reading for a signer blocks, and so happens on the body offload.
#include "proxy/inject/injection.hpp"
#include "proxy/net/offload.hpp"
#include "proxy/net/request_body.hpp"
#include "proxy/net/spill.hpp"
#include "proxy/serve/problem.hpp"

namespace postern::serve {

struct Call;
struct Request;

// Whether the body of this request may go into a file: it is signed and not edited, and nothing forbids it.
bool may_spill(const Request& request);
// The most bytes of a body that can be collected: in memory, or in a file.
std::uint64_t most_kept(const Request& request);
// What was collected so far, `more`, and all that is still to come.
net::Task<Step> spill_rest(Call& call, std::string_view more);

class SpilledContent final : public inject::Content {
 public:
  explicit SpilledContent(const net::Spill& spill) : spill_(spill) {}
  std::uint64_t size() const override { return spill_.size(); }
  bool each(wire::FunctionRef<void(std::string_view)> take) const override { return spill_.each(take); }

 private:
  const net::Spill& spill_;
};

class SpilledBody final : public net::BodySource {
 public:
  SpilledBody(const net::Spill& spill, net::Offload& offload, boost::asio::io_context& home)
      : spill_(spill), offload_(offload), home_(home) {}
  net::Task<net::RequestBody::Piece> next() override;

 private:
  const net::Spill& spill_;
  net::Offload& offload_;
  boost::asio::io_context& home_;
  std::uint64_t number_ = 0;
  std::string pieces_;
};

}  // namespace postern::serve
