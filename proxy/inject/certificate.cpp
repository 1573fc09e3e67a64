#include "proxy/inject/certificate.hpp"

namespace postern::inject {
namespace {

class ShownInTheHandshake final : public Injection {
 public:
  std::uint8_t needs() const override { return needs_head; }
  std::expected<void, Error> apply(const Inputs& /*in*/, Changes& out) const override {
    out.clear();
    return {};
  }
  const std::vector<Spot>& spots() const override { return spots_; }
  const std::vector<vault::Secret>& masks() const override { return masks_; }
  std::string describe() const override { return "a client certificate in the TLS handshake"; }

 private:
  const std::vector<Spot> spots_;
  const std::vector<vault::Secret> masks_;
};

}  // namespace

std::expected<std::unique_ptr<Injection>, std::string> make_certificate(Recipe recipe) {
  for (const char* name : {"certificate", "key"}) {
    const auto at = recipe.values.find(name);
    if (at == recipe.values.end() || at->second.empty())
      return std::unexpected("the field " + std::string(name) + " has no value");
  }
  return std::make_unique<ShownInTheHandshake>();
}

}  // namespace postern::inject
