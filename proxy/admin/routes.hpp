#pragma once
// The routes: one function each, called by the router when the caller is known and has the route's capability.
// Each commits first, then announces, then answers. Those that wait for the disk or the network run on helper threads,
// several at a time; what they share with others (vault, deps) is safe for that.
#include <optional>
#include <string>
#include <utility>

#include "proxy/admin/access.hpp"
#include "proxy/admin/json_text.hpp"

namespace postern::admin {

struct Call {
  const Request& request;
  const Url& url;
  Caller caller;
  std::string id;            // what stood for {id} in the path
  std::string made_id = {};  // set by a route whose answer is about another record than its last write was
  bool dry = false;          // set by a route that was asked to change nothing
  // What is kept of the call (idempotency.hpp), until a write has taken it along; absent: nothing is to be kept.
  std::optional<vault::KeptAnswer> answer = {};

  // For the one write that makes what is answered with `status`; about() of the vault names it in what is kept.
  vault::Beside beside(unsigned status, bool holds_token = false) {
    vault::Beside out;
    if (!answer || dry) return out;
    answer->status = static_cast<std::uint16_t>(status);
    answer->token = holds_token;
    out.answer = std::exchange(answer, std::nullopt);
    return out;
  }
};

Answer list_connections(Service& service, Call& call);
Answer create_connection(Service& service, Call& call);
Answer show_connection(Service& service, Call& call);
Answer change_connection(Service& service, Call& call);
Answer rotate_connection(Service& service, Call& call);
Answer escalate_connection(Service& service, Call& call);
Answer delete_connection(Service& service, Call& call);

Answer test_connection(Service& service, Call& call);
Answer revoke_connection(Service& service, Call& call);

Answer list_auth_configs(Service& service, Call& call);
Answer create_auth_config(Service& service, Call& call);
Answer show_auth_config(Service& service, Call& call);
Answer change_auth_config(Service& service, Call& call);
Answer delete_auth_config(Service& service, Call& call);

Answer create_link(Service& service, Call& call);
Answer show_link(Service& service, Call& call);
Answer delete_link(Service& service, Call& call);

Answer list_authorizations(Service& service, Call& call);
Answer create_authorization(Service& service, Call& call);
Answer show_authorization(Service& service, Call& call);
Answer revoke_authorization(Service& service, Call& call);
Answer delete_authorization(Service& service, Call& call);
Answer introspect_authorization(Service& service, Call& call);

Answer list_organizations(Service& service, Call& call);
Answer create_organization(Service& service, Call& call);
Answer show_organization(Service& service, Call& call);
Answer change_organization(Service& service, Call& call);
Answer delete_organization(Service& service, Call& call);
Answer list_projects(Service& service, Call& call);
Answer create_project(Service& service, Call& call);
Answer show_project(Service& service, Call& call);
Answer change_project(Service& service, Call& call);
Answer delete_project(Service& service, Call& call);
Answer list_users(Service& service, Call& call);
Answer create_user(Service& service, Call& call);
Answer show_user(Service& service, Call& call);
Answer change_user(Service& service, Call& call);
Answer delete_user(Service& service, Call& call);

Answer list_providers(Service& service, Call& call);
Answer show_provider(Service& service, Call& call);
Answer import_provider(Service& service, Call& call);
Answer change_provider(Service& service, Call& call);
Answer delete_provider(Service& service, Call& call);

Answer list_audit(Service& service, Call& call);
Answer export_audit(Service& service, Call& call);
Answer verify_audit(Service& service, Call& call);

Answer show_ca(Service& service, Call& call);
Answer create_ca(Service& service, Call& call);
Answer rotate_ca(Service& service, Call& call);
Answer delete_ca(Service& service, Call& call);

Answer show_keys(Service& service, Call& call);
Answer rotate_keys(Service& service, Call& call);
Answer rewrap_keys(Service& service, Call& call);
Answer backup_vault(Service& service, Call& call);
Answer verify_vault(Service& service, Call& call);

Answer show_status(Service& service, Call& call);
Answer show_self(Service& service, Call& call);
Answer explain(Service& service, Call& call);
Answer reload(Service& service, Call& call);
Answer show_openapi(Service& service, Call& call);
Answer show_metrics(Service& service, Call& call);

// Probes, without a caller.
Response livez(Service& service);
Answer readyz(Service& service);
Answer startupz(Service& service);

}  // namespace postern::admin
