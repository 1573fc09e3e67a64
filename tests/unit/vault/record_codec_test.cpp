#include "vault/record_codec.hpp"

#include <gmock/gmock.h>

#include "tests/source_dir.hpp"
#include "tests/unit/vault/scratch.hpp"
#include "vault/digest.hpp"
#include "vault/encoding.hpp"
#include "vault/envelope.hpp"

namespace postern::vault::test {
namespace {

const std::filesystem::path kGolden = std::filesystem::path(POSTERN_SOURCE_DIR) / "tests" / "golden" / "vault";

// The samples behind the golden files: every field has a value of its own.
Connection connection() {
  Connection record;
  record.id = "conn_0123456789abcdefghjk";
  record.organization = "org_default";
  record.project = "proj_default";
  record.owner = "user_1";
  record.scope = Scope::organization;
  record.alias = "billing";
  record.name = "Billing \xc3\xa9";
  record.app = "stripe";
  record.auth = "api_key";
  record.type = "API_KEY";
  record.auth_config = "ac_1";
  record.config = R"({"region": "eu"})";
  record.destinations = {{"api.stripe.com", 443, ""}, {"files.stripe.com", 8443, "/v1"}};
  record.end_user = "customer";
  record.tags = {"one", "two"};
  record.enabled = false;
  record.status = Status::error;
  record.status_reason = "rejected";
  record.status_since = 1'700'000'000'001;
  record.created = 1'700'000'000'002;
  record.updated = -3;
  record.generation = 0x0102030405060708;
  record.status_text = "the service says no";
  record.account = "jane@example.com";
  record.last_refresh = 1'700'000'000'003;
  record.expires = 1'700'000'000'004;
  record.refresh_expires = 1'700'000'000'005;
  record.touch = -6;
  record.previous_until = 1'700'000'000'006;
  return record;
}
Credential credential() {
  Credential record;
  record.generation = 7;
  record.values.emplace("apiKey", Secret("sk_live_1"));
  record.values.emplace("webhook", Secret(std::string_view("\0\xff", 2)));
  record.times = TokenTimes{.sent_ms = 1'700'000'000'000,
                            .sent_boot_ms = 12'345,
                            .boot_id = "b00t-1d",
                            .lifetime_ms = 3'600'000,
                            .scope = "read write",
                            .touched_ms = 1'700'000'000'009};
  return record;
}
Previous previous() {
  Previous record;
  record.until = 1'700'000'000'010;
  record.status = Status::error;
  record.status_reason = "rejected";
  record.status_text = "the service says no";
  record.account = "jane@example.com";
  record.last_refresh = 1'700'000'000'003;
  record.expires = 1'700'000'000'004;
  record.refresh_expires = 1'700'000'000'005;
  record.touch = -6;
  record.credential = credential();
  return record;
}
KeptAnswer kept_answer() {
  KeptAnswer record;
  record.organization = "org_default";
  for (int i = 0; i < 32; ++i) record.key += "ab";
  for (int i = 0; i < 32; ++i) record.body += "cd";
  record.status = 201;
  record.id = "conn_1";
  record.project = "proj_default";
  record.token = true;
  record.created = 1'700'000'000'011;
  return record;
}
AuthConfig auth_config() {
  AuthConfig record;
  record.id = "ac_0123456789abcdefghjk";
  record.organization = "org_default";
  record.project = "";
  record.name = "Our app";
  record.provider = "google";
  record.auth = "oauth";
  record.enabled = false;
  record.config = R"({"tenant": "x"})";
  record.scopes = std::vector<std::string>{"openid", "mail"};
  record.hosts = std::nullopt;
  record.values.emplace("clientId", Secret("id-1"));
  record.values.emplace("clientSecret", Secret(std::string_view("\0\xff", 2)));
  record.status = Status::error;
  record.status_reason = "client_rejected";
  record.status_text = "invalid_client";
  record.status_since = 1;
  record.created = 2;
  record.updated = 3;
  return record;
}
ImportedProvider imported() {
  ImportedProvider record;
  record.id = "acme-api";
  record.yaml = "id: acme-api\n";
  record.enabled = true;
  record.digest = "0f";
  record.created = 1'700'000'000'001;
  record.updated = -2;
  return record;
}
AuthorityRecord authority() {
  AuthorityRecord record;
  record.certificate = "-----BEGIN CERTIFICATE-----\n";
  record.key =
      Secret(std::string_view("\0\xff"
                              "key",
                              5));
  record.previous = "before";
  record.created = 1'700'000'000'002;
  record.updated = -3;
  return record;
}
Intent intent() {
  Intent record;
  record.id = "int_0123456789abcdefghjk";
  record.organization = "org_default";
  record.project = "proj_default";
  record.connection = "conn_0123456789abcdefghjk";
  record.generation = 0x0102030405060708;
  record.holder = "host:1";
  record.started = 1'700'000'000'000;
  record.digest = std::string(32, '\xcd');
  return record;
}
Link link() {
  Link record;
  record.id = "link_0123456789abcdefghjk";
  record.organization = "org_default";
  record.project = "proj_default";
  record.provider = "google";
  record.auth = "oauth";
  record.auth_config = "ac_1";
  record.name = "Mail";
  record.alias = "mail";
  record.scope = Scope::organization;
  record.owner = "user_1";
  record.end_user = "customer";
  record.tags = {"one", "two"};
  record.config = "{}";
  record.connection = "conn_1";
  record.requested_by = "tok_1";
  for (int i = 0; i < 32; ++i) record.state_digest += "ab";
  record.cookie_digest = "cookie-digest";
  record.verifier = Secret("verifier");
  record.redirect_uri = "https://p/oauth/callback";
  record.scopes = {"openid"};
  record.status = LinkStatus::failed;
  record.reason = "denied";
  record.text = "The person said no";
  record.account = "jane";
  record.credential.emplace();
  record.credential->values.emplace("accessToken", Secret("at"));
  record.credential->times.emplace();
  record.credential->times->sent_ms = 1;
  record.credential->times->sent_boot_ms = 2;
  record.credential->times->boot_id = "boot";
  record.created = 4;
  record.expires = 5;
  return record;
}
Authorization authorization() {
  Authorization record;
  record.id = "tok_0123456789abcdefghjk";
  record.organization = "org_default";
  record.project = "proj_default";
  record.user = "user_1";
  record.name = "step-42";
  record.parent = "tok_parent";
  record.capabilities = {"proxy:call", "connections:read"};
  record.connections = {"*"};
  record.methods = std::vector<std::string>{"GET", "HEAD"};
  record.hosts = std::nullopt;
  record.default_for = {"api.stripe.com"};
  record.public_id = "0123456789ab";
  record.digest = std::string(32, '\xab');
  record.created = 1;
  record.expires = 2;
  record.revoked = 3;
  record.projects = {{"proj_default", Role::editor}, {"proj_2", Role::admin}};
  record.paths = std::vector<std::string>{"/v1/"};
  record.budget = {.total = 1000, .writes = 50};
  record.run = "nightly";
  return record;
}
User user() {
  User record;
  record.id = "user_0123456789abcdefghjk";
  record.name = "Jane";
  record.email = "jane@example.com";
  record.administrator = true;
  record.projects = {{"proj_default", Role::viewer}};
  record.enabled = false;
  record.created = 7;
  record.updated = 8;
  return record;
}
Spent spent() {
  return {.organization = "org_default", .id = "tok_0123456789abcdefghjk", .calls = {1000, 0x0102030405060708}};
}
Event event() {
  Event record;
  record.organization = "org_default";
  record.sequence = 0x0102030405060708;
  record.time = 1'700'000'000'001;
  record.actor = "tok_0123456789abcdefghjk";
  record.actor_name = "step-42";
  record.request = "req-1";
  record.action = "connection.denied";
  record.subject = "conn_1";
  record.project = "proj_default";
  record.detail = {{"host", "api.stripe.com"}, {"code", "not-allowed"}};
  record.count = 7;
  record.first = -2;
  record.last = 1'700'000'000'003;
  record.missed = 4;
  record.missed_since = 1'700'000'000'005;
  record.mac = std::string(32, '\xab');
  return record;
}
AuditHead audit_head() {
  AuditHead record;
  record.organization = "org_default";
  record.end = {12, std::string(32, '\xcd')};
  record.checkpoint = {5, std::string(32, '\xef')};
  record.checkpoint_time = 1'700'000'000'006;
  record.bytes = 4096;
  record.dropped = 3;
  record.dropped_since = -7;
  return record;
}
Header header() {
  return {"vaultid00000", 1'700'000'000'000, "key-id-1", "key-id-2"};
}
DataKey data_key() {
  return {"key-id-1", 1'700'000'000'000, Secret(std::string(32, 'k'))};
}
Organization organization() {
  return {.id = "org_default", .name = "Default", .enabled = false, .created = 5, .updated = 6};
}
Project project() {
  return {.id = "proj_default", .organization = "org_default", .name = "Default", .created = 6, .updated = 7};
}
Reference reference() {
  return {"org_default", "proj_default", "conn_1"};
}

RotationRecord rotation() {
  RotationRecord record;
  record.progress = {.state = Rotation::State::verifying,
                     .key_id = "0123456789abcdef",
                     .total = 1000,
                     .done = 640,
                     .resealed = 600,
                     .unreadable = 3,
                     .started = 1'700'000'000'000,
                     .finished = 0};
  record.cursor = "credential/org_default/proj_default/conn_x";
  record.pass_resealed = 17;
  return record;
}

std::string golden(const char* name) {
  std::string text = read_file(kGolden / name);
  EXPECT_TRUE(text.ends_with('\n')) << name;
  if (!text.empty()) text.pop_back();
  return decode_hex(text).value_or("");
}

template <class T>
void check(const T& sample, const char* name) {
  SCOPED_TRACE(name);
  const std::string bytes = encode(sample);
  EXPECT_EQ(hex(bytes), hex(golden(name)));
  const auto decoded = decode<T>(golden(name));
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(hex(encode(*decoded)), hex(bytes));

  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_REFUSED(decode<T>(bytes.substr(0, size)), corrupt);
  EXPECT_REFUSED(decode<T>(bytes + '\0'), corrupt);
  // A changed byte is refused, or is the one encoding of another record.
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      const auto other = decode<T>(changed);
      if (other) {
        EXPECT_EQ(hex(encode(*other)), hex(changed));
      } else {
        EXPECT_EQ(other.error().code, Error::Code::corrupt);
      }
    }
  }
  for (const int version : {0, bytes[0] + 1, 255}) {
    std::string later = bytes;
    later[0] = static_cast<char>(version);
    EXPECT_REFUSED(decode<T>(later), corrupt);
  }
}

TEST(RecordCodec, every_record_encodes_as_its_golden_file_and_is_refused_when_cut) {
  check(connection(), "connection_3.hex");
  check(credential(), "credential_2.hex");
  check(auth_config(), "auth_config.hex");
  check(intent(), "intent.hex");
  check(link(), "link.hex");
  check(previous(), "previous.hex");
  check(kept_answer(), "kept_answer.hex");
  check(authorization(), "authorization_2.hex");
  check(header(), "header.hex");
  check(data_key(), "data_key.hex");
  check(organization(), "organization_2.hex");
  check(project(), "project_2.hex");
  check(user(), "user.hex");
  check(spent(), "spent.hex");
  check(reference(), "reference.hex");
  check(IndexState{1, true, "a/b"}, "index_state.hex");
  check(rotation(), "rotation.hex");
  check(imported(), "imported_provider.hex");
  check(authority(), "authority.hex");
  check(event(), "event.hex");
  check(audit_head(), "audit_head.hex");
}

TEST(RecordCodec, the_default_of_every_record_survives) {
  EXPECT_TRUE(decode<Connection>(encode(Connection{})));
  EXPECT_TRUE(decode<Credential>(encode(Credential{})));
  EXPECT_TRUE(decode<Authorization>(encode(Authorization{})));
  EXPECT_TRUE(decode<AuthConfig>(encode(AuthConfig{})));
  EXPECT_TRUE(decode<Intent>(encode(Intent{})));
  EXPECT_TRUE(decode<Link>(encode(Link{})));
  EXPECT_TRUE(decode<Previous>(encode(Previous{})));
  EXPECT_TRUE(decode<KeptAnswer>(encode(KeptAnswer{})));
  EXPECT_TRUE(decode<AuthorityRecord>(encode(AuthorityRecord{})));
  EXPECT_TRUE(decode<Organization>(encode(Organization{})));
  EXPECT_TRUE(decode<Project>(encode(Project{})));
  EXPECT_TRUE(decode<User>(encode(User{})));
  EXPECT_TRUE(decode<Spent>(encode(Spent{})));
  EXPECT_TRUE(decode<Event>(encode(Event{})));
  EXPECT_TRUE(decode<AuditHead>(encode(AuditHead{})));
}

// Version 1 had nothing of tokens, of roles and budgets, nor of names; version 2 of a connection no previous value.
TEST(RecordCodec, records_of_earlier_versions_are_read_with_what_they_had) {
  Connection before = connection();
  before.previous_until = 0;
  const auto second = decode<Connection>(golden("connection_2.hex"));
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(hex(encode(*second)), hex(encode(before)));
  before.status_text = before.account = "";
  before.last_refresh = before.expires = before.refresh_expires = before.touch = 0;
  const auto meta = decode<Connection>(golden("connection.hex"));
  ASSERT_TRUE(meta) << meta.error().message;
  EXPECT_EQ(hex(encode(*meta)), hex(encode(before)));

  Credential without = credential();
  without.times.reset();
  const auto read = decode<Credential>(golden("credential.hex"));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(hex(encode(*read)), hex(encode(without)));

  Authorization plain = authorization();
  plain.projects.reset();
  plain.paths.reset();
  plain.budget = {};
  plain.run.clear();
  const auto held = decode<Authorization>(golden("authorization.hex"));
  ASSERT_TRUE(held) << held.error().message;
  EXPECT_EQ(hex(encode(*held)), hex(encode(plain)));

  const auto level = decode<Organization>(golden("organization.hex"));
  ASSERT_TRUE(level) << level.error().message;
  EXPECT_EQ(hex(encode(*level)), hex(encode(Organization{.id = "org_default", .name = "", .created = 5})));
  const auto below = decode<Project>(golden("project.hex"));
  ASSERT_TRUE(below) << below.error().message;
  EXPECT_EQ(hex(encode(*below)),
            hex(encode(Project{.id = "proj_default", .organization = "org_default", .name = "", .created = 6})));

  for (const char* name : {"connection.hex", "connection_2.hex", "credential.hex", "authorization.hex",
                           "organization.hex", "project.hex"}) {
    const std::string bytes = golden(name);
    EXPECT_TRUE(format_of(bytes)->older()) << name;
    for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(recode(bytes.substr(0, size))) << name;
    EXPECT_FALSE(recode(bytes + '\0')) << name;
  }
}

TEST(RecordCodec, the_mac_of_an_event_is_over_all_that_is_before_it) {
  const std::string whole = encode(event());
  EXPECT_EQ(hex(encode_without_mac(event())), hex(whole.substr(0, whole.size() - 4 - 32)));
}

TEST(RecordCodec, one_kind_is_not_read_as_another) {
  EXPECT_REFUSED(decode<Credential>(encode(connection())), corrupt);
  EXPECT_REFUSED(decode<Project>(encode(reference())), corrupt);
}

TEST(RecordCodec, a_count_that_cannot_be_is_refused_before_memory_is_taken_for_it) {
  std::string bytes = encode(Credential{});
  bytes.replace(bytes.size() - 5, 4, "\xff\xff\xff\xff");  // before the absent times
  EXPECT_REFUSED(decode<Credential>(bytes), corrupt);
}

TEST(RecordCodec, fields_of_a_credential_come_once_and_in_order) {
  Credential two;
  two.values.emplace("a", Secret("1"));
  two.values.emplace("b", Secret("2"));
  std::string bytes = encode(two);
  const auto a = bytes.rfind('a');
  const auto b = bytes.rfind('b');
  std::swap(bytes[a], bytes[b]);
  EXPECT_REFUSED(decode<Credential>(bytes), corrupt);
  bytes[a] = bytes[b] = 'a';
  EXPECT_REFUSED(decode<Credential>(bytes), corrupt);
}

// Sealed when the format was new, under a fixed key and nonce: must open for ever.
TEST(GoldenEnvelope, opens_and_is_what_would_be_sealed_today) {
  const SealingKey key("key-id-1", Secret(std::string(32, 'k')));
  const Binding binding{
      .organization = "org_default", .type = "connection", .id = "conn_0123456789abcdefghjk", .version = 9};
  const std::string sealed = golden("sealed_connection.hex");
  const auto opened = key.open(sealed, binding);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_TRUE(opened->equals(golden("connection.hex")));

  const std::string nonce = "ABCDEFGHIJKLMNOPQRSTUVWX";
  const std::string additional = length_prefixed({std::string_view("\x01", 1), binding.organization, binding.type,
                                                  binding.id, std::string_view("\0\0\0\0\0\0\0\x09", 8)});
  EXPECT_EQ(hex(sealed), hex("pstv\x01key-id-1" + nonce +
                             xaes_256_gcm_seal(key.key().expose(), nonce, golden("connection.hex"), additional)));
}

}  // namespace
}  // namespace postern::vault::test
