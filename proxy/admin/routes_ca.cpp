// The local CA: shown to everybody who has to trust it, made, rotated and deleted by system administrators (system:ca).
// Its key is in no answer, event or log line.
#include <boost/json/array.hpp>

#include "config/authority_names.hpp"
#include "proxy/admin/audit_event.hpp"
#include "proxy/admin/body.hpp"
#include "proxy/admin/if_match.hpp"
#include "proxy/admin/listing.hpp"
#include "proxy/admin/routes.hpp"
#include "vault/authority.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostNames = 500;  // about 15 KiB, in a certificate that every client holds
constexpr std::size_t kLongestName = 300;

json::object shown(const vault::Authority& ca) {
  return {{"certificate", ca.certificate()},
          {"fingerprint", ca.fingerprint()},
          {"subject", ca.subject()},
          {"names", json::array(ca.names().begin(), ca.names().end())},
          {"notBefore", to_time(ca.not_before() * 1000)},
          {"notAfter", to_time(ca.not_after() * 1000)}};
}

Answer ca_response(const vault::AuthorityRecord& record, unsigned status) {
  const auto current = vault::Authority::look(record.certificate);
  if (!current) return std::unexpected(vault_problem(current.error()));
  json::object out = shown(**current);
  out["created"] = to_time(record.created);
  out["updated"] = to_time(record.updated);
  out["previous"] = nullptr;
  if (!record.previous.empty()) {
    const auto previous = vault::Authority::look(record.previous);
    if (!previous) return std::unexpected(vault_problem(previous.error()));
    out["previous"] = shown(**previous);
  }
  Response response = json_response(out, status);
  response.fields.emplace_back("ETag", etag(record.version));
  return response;
}

std::unexpected<Problem> none_there() {
  return refuse("not-found", "There is no local CA; make one with `postern ca create` or POST /api/v1/ca.");
}

std::expected<vault::AuthorityRecord, Problem> find_ca(const Service& service) {
  auto found = service.deps.vault->find_authority();
  if (!found && found.error().code == vault::Error::Code::not_found) return none_there();
  if (!found) return std::unexpected(vault_problem(found.error()));
  return std::move(*found);
}

// Without names in the body: what interception is opted in for, and what connections use.
std::expected<std::vector<std::string>, Problem> names_in_use(const Service& service) {
  auto hosts = vault::hosts_in_use(*service.deps.vault, kMostNames + 1);
  if (!hosts) return std::unexpected(vault_problem(hosts.error()));
  for (const vault::Connection& declared : service.deps.declared())
    for (const vault::Destination& to : declared.destinations) hosts->push_back(to.host);
  auto names = config::authority_names(*service.deps.settings(), *hosts);
  if (names.size() <= kMostNames) return names;
  return refuse_fields({{.pointer = "/names",
                         .parameter = "",
                         .detail = "Connections use more than 500 hosts: name those that are to be intercepted."}});
}

std::expected<std::vector<std::string>, Problem> read_names(const Service& service, const Call& call) {
  auto body = parse_body(call.request, true);
  if (!body) return std::unexpected(body.error());
  FieldReader in(body->get_object());
  in.refuse_unknown({"names"});
  const auto given = in.texts("names", kMostNames, kLongestName);
  std::vector<std::string> names{std::string(config::kInternalSuffix)};
  for (std::size_t i = 0; given && i < given->size(); ++i) {
    if (auto name = config::parse_authority_name((*given)[i]))
      names.push_back(std::move(*name));
    else
      in.mistake("names/" + std::to_string(i),
                 "Has to be a host name, *.suffix or an address, without a port; no public suffix.");
  }
  if (given && given->empty()) in.mistake("names", "Name at least one, or leave it out.");
  if (!in.errors.empty()) return refuse_fields(std::move(in.errors));
  if (!given) return names_in_use(service);
  return config::least_names(std::move(names));
}

std::expected<vault::AuthorityRecord, Problem> new_ca(const Service& service, const std::vector<std::string>& names) {
  auto made = vault::Authority::create(
      {.label = service.deps.vault->id(), .names = names, .now = service.deps.now_ms() / 1000});
  if (!made) return std::unexpected(vault_problem(made.error()));
  vault::AuthorityRecord record;
  record.certificate = std::move(made->certificate);
  record.key = std::move(made->key);
  return record;
}

Details details_of(const vault::AuthorityRecord& record) {
  Details out;
  if (const auto ca = vault::Authority::look(record.certificate)) {
    std::string names;
    for (const std::string& name : (*ca)->names()) names += (names.empty() ? "" : ", ") + name;
    out = {{"fingerprint", (*ca)->fingerprint()}, {"names", names}};
  }
  return out;
}

Answer put(Service& service, Call& call, vault::AuthorityRecord record, std::uint64_t expected, const char* action,
           unsigned status) {
  const auto beside = made_by(call, status, told(call, action, details_of(record)));
  const auto written = service.deps.vault->put_authority(std::move(record), expected, beside);
  if (!written && written.error().code == vault::Error::Code::exists)
    return refuse("already-there", "There is a local CA already; `postern ca rotate` makes another.");
  if (!written && written.error().code == vault::Error::Code::not_found) return none_there();
  if (!written) return std::unexpected(vault_problem(written.error()));
  if (auto done = service.deps.authority_changed(); !done) return not_in_use_yet(done.error());
  return ca_response(*written, status);
}

}  // namespace

Answer show_ca(Service& service, Call&) {
  const auto record = find_ca(service);
  if (!record) return std::unexpected(record.error());
  return ca_response(*record, 200);
}

Answer create_ca(Service& service, Call& call) {
  const auto names = read_names(service, call);
  if (!names) return std::unexpected(names.error());
  auto record = new_ca(service, *names);
  if (!record) return std::unexpected(record.error());
  return put(service, call, std::move(*record), 0, "ca.created", 201);
}

// Leaves are signed by the new one from now on. Who trusts the old one only has to be told, so its certificate stays.
Answer rotate_ca(Service& service, Call& call) {
  const auto names = read_names(service, call);
  if (!names) return std::unexpected(names.error());
  const auto old = find_ca(service);
  if (!old) return std::unexpected(old.error());
  if (auto matches = check_if_match(call.request, old->version); !matches) return std::unexpected(matches.error());
  auto record = new_ca(service, *names);
  if (!record) return std::unexpected(record.error());
  record->previous = old->certificate;
  return put(service, call, std::move(*record), old->version, "ca.rotated", 200);
}

Answer delete_ca(Service& service, Call& call) {
  const auto old = find_ca(service);
  if (!old) return std::unexpected(old.error());
  if (auto matches = check_if_match(call.request, old->version); !matches) return std::unexpected(matches.error());
  const auto gone = service.deps.vault->erase_authority(old->version, told(call, "ca.deleted", details_of(*old)));
  if (!gone && gone.error().code == vault::Error::Code::not_found) return none_there();
  if (!gone && gone.error().code == vault::Error::Code::conflict)
    return refuse("version-conflict", "The local CA was rotated meanwhile; look at it and repeat the call.");
  if (!gone) return std::unexpected(vault_problem(gone.error()));
  if (auto done = service.deps.authority_changed(); !done) return not_in_use_yet(done.error());
  Response response;
  response.status = 204;
  return response;
}

}  // namespace postern::admin
