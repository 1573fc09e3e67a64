// Not there yet: the interface is, so that others can build on it.
#include "vault/vault_impl.hpp"

namespace postern::vault {
namespace {

std::unexpected<Error> not_yet() {
  return fail(Error::Code::io, "not there yet");
}

}  // namespace

Result<AuthConfig> SealedVault::create_auth_config(AuthConfig) {
  return not_yet();
}

Result<AuthConfig> SealedVault::find_auth_config(Space, std::string_view) const {
  return not_yet();
}

Result<AuthConfigPage> SealedVault::list_auth_configs(const AuthConfigQuery&) const {
  return not_yet();
}

Result<AuthConfig> SealedVault::update_auth_config(AuthConfig) {
  return not_yet();
}

Result<void> SealedVault::erase_auth_config(Space, std::string_view, std::uint64_t) {
  return not_yet();
}

Result<std::vector<Connection>> SealedVault::connections_of(const AuthConfig&, std::size_t) const {
  return not_yet();
}

Result<Intent> SealedVault::begin_refresh(const Connection&, std::string_view, const Secret*) {
  return not_yet();
}

Result<Intent> SealedVault::take_over(const Intent&, std::string_view) {
  return not_yet();
}

bool SealedVault::spends(const Intent&, const Secret&) const {
  return false;
}

Result<Connection> SealedVault::finish_refresh(const Intent&, const Credential&, const Outcome&) {
  return not_yet();
}

Result<Connection> SealedVault::fail_refresh(const Intent&, const StatusChange&) {
  return not_yet();
}

Result<std::vector<Intent>> SealedVault::pending_intents(std::string_view, std::size_t) const {
  return not_yet();
}

Result<Connection> SealedVault::set_status(Space, std::string_view, std::uint64_t, const StatusChange&) {
  return not_yet();
}

Result<std::vector<Due>> SealedVault::due(std::int64_t, std::string_view, std::size_t) const {
  return not_yet();
}

Result<Link> SealedVault::create_link(Link) {
  return not_yet();
}

Result<Link> SealedVault::find_link(Space, std::string_view) const {
  return not_yet();
}

Result<Link> SealedVault::find_link(std::string_view) const {
  return not_yet();
}

Result<Link> SealedVault::find_link_by_state(std::string_view) const {
  return not_yet();
}

Result<Link> SealedVault::update_link(Link, std::string_view) {
  return not_yet();
}

Result<void> SealedVault::erase_link(Space, std::string_view) {
  return not_yet();
}

Result<std::size_t> SealedVault::sweep_links(std::int64_t) {
  return not_yet();
}

std::string cursor_of(const Intent& intent) {
  return intent.organization + "/" + intent.project + "/" + intent.connection;
}

}  // namespace postern::vault
