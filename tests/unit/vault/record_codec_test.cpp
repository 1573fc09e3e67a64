#include "vault/record_codec.hpp"

#include <gmock/gmock.h>

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
  return record;
}
Credential credential() {
  Credential record;
  record.generation = 7;
  record.values.emplace("apiKey", Secret("sk_live_1"));
  record.values.emplace("webhook", Secret(std::string_view("\0\xff", 2)));
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
  return record;
}
Header header() {
  return {"vaultid00000", 1'700'000'000'000, "key-id-1", "key-id-2"};
}
DataKey data_key() {
  return {"key-id-1", 1'700'000'000'000, Secret(std::string(32, 'k'))};
}
Organization organization() {
  return {"org_default", 5};
}
Project project() {
  return {"proj_default", "org_default", 6};
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
  for (const int version : {0, 2, 255}) {
    std::string later = bytes;
    later[0] = static_cast<char>(version);
    EXPECT_REFUSED(decode<T>(later), corrupt);
  }
}

TEST(RecordCodec, every_record_encodes_as_its_golden_file_and_is_refused_when_cut) {
  check(connection(), "connection.hex");
  check(credential(), "credential.hex");
  check(authorization(), "authorization.hex");
  check(header(), "header.hex");
  check(data_key(), "data_key.hex");
  check(organization(), "organization.hex");
  check(project(), "project.hex");
  check(reference(), "reference.hex");
  check(IndexState{1, true, "a/b"}, "index_state.hex");
  check(rotation(), "rotation.hex");
}

TEST(RecordCodec, the_default_of_every_record_survives) {
  EXPECT_TRUE(decode<Connection>(encode(Connection{})));
  EXPECT_TRUE(decode<Credential>(encode(Credential{})));
  EXPECT_TRUE(decode<Authorization>(encode(Authorization{})));
}

TEST(RecordCodec, one_kind_is_not_read_as_another) {
  EXPECT_REFUSED(decode<Credential>(encode(connection())), corrupt);
  EXPECT_REFUSED(decode<Project>(encode(reference())), corrupt);
}

TEST(RecordCodec, a_count_that_cannot_be_is_refused_before_memory_is_taken_for_it) {
  std::string bytes = encode(Credential{});
  bytes.replace(bytes.size() - 4, 4, "\xff\xff\xff\xff");
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
  EXPECT_TRUE(opened->equals(encode(connection())));

  const std::string nonce = "ABCDEFGHIJKLMNOPQRSTUVWX";
  const std::string additional = length_prefixed({std::string_view("\x01", 1), binding.organization, binding.type,
                                                  binding.id, std::string_view("\0\0\0\0\0\0\0\x09", 8)});
  EXPECT_EQ(hex(sealed), hex("pstv\x01key-id-1" + nonce +
                             xaes_256_gcm_seal(key.key().expose(), nonce, encode(connection()), additional)));
}

}  // namespace
}  // namespace postern::vault::test
