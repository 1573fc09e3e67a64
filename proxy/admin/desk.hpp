#pragma once
// Asking where tokens come from, and waiting for the answer. Everything here blocks: it is for work that the router
// gives to the helpers, never for the admin thread.
#include "proxy/admin/json_text.hpp"
#include "proxy/admin/service.hpp"
#include "proxy/grants/records.hpp"

namespace postern::admin {

grants::Answer exchange(const Service& service, grants::Question question);
grants::Called call(const Service& service, grants::TokenRequest request);
grants::Renewed refresh(const Service& service, const vault::Connection& connection);
// What came of a call as one thing: a fault is a failure too. `values`: what was sent.
grants::Reading reading_of(const config::OAuth& oauth, const grants::Called& called, const grants::Values& values);

// A number nobody can guess: 32 random bytes.
vault::Secret random_bytes();

// What a connection's calls are built from: its provider's entry, its auth config and the values of both.
struct Material {
  std::shared_ptr<const config::Provider> provider;
  const config::Auth* auth = nullptr;
  config::Plan plan;
  std::optional<vault::AuthConfig> app;
  grants::Values values;
};
// Absent: the catalog has the entry no more, or does not take the stored configuration.
std::optional<Material> material_of(const Service& service, const std::string& provider, const std::string& auth,
                                    const std::string& config, std::optional<vault::AuthConfig> app,
                                    const vault::Credential* credential);
grants::Asking asking(const Material& material, std::int64_t now_ms, std::string_view nonce);

struct GivenBack {
  const char* token;  // "refresh_token", "access_token"
  bool revoked = false;
  int status = 0;         // 0: no answer
  std::string text = {};  // why not; for people
};
// Gives the tokens back as the entry says; empty: it says nothing, or there are none.
std::vector<GivenBack> give_back(const Service& service, const Material& material, const vault::Credential& credential);

}  // namespace postern::admin
