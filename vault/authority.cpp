#include "vault/authority.hpp"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

#include "vault/digest.hpp"

namespace postern::vault {
namespace {

struct Free {
  void operator()(X509* p) const noexcept { X509_free(p); }
  void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); }
  void operator()(BIO* p) const noexcept { BIO_free(p); }
  void operator()(BIGNUM* p) const noexcept { BN_free(p); }
  void operator()(NAME_CONSTRAINTS* p) const noexcept { NAME_CONSTRAINTS_free(p); }
  void operator()(GENERAL_SUBTREE* p) const noexcept { GENERAL_SUBTREE_free(p); }
  void operator()(PKCS8_PRIV_KEY_INFO* p) const noexcept { PKCS8_PRIV_KEY_INFO_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
constexpr std::size_t kLongestLabel = 40;  // so that the common name stays within 64 (X.520)
constexpr std::int64_t kLongestLife = std::int64_t{10} * 366 * 86'400;

// The bytes of an address (4 or 16), empty if it is none.
std::string address_bytes(const std::string& text) {
  std::string bytes(16, '\0');
  if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return bytes;
  bytes.resize(4);
  return ::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ? bytes : std::string();
}

std::string address_text(std::string_view bytes) {
  char text[INET6_ADDRSTRLEN] = "";
  return ::inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof text) == nullptr ? "" : text;
}

// Two labels or more, so that no constraint covers a whole top-level domain.
bool is_host_name(std::string_view name) {
  if (name.size() > 253 || name.find('.') == std::string_view::npos) return false;
  std::size_t label = 0;
  for (const char c : name) {
    if (c == '.' ? label == 0 : (kLetters.find(c) == std::string_view::npos || (c >= 'A' && c <= 'Z'))) return false;
    label = c == '.' ? 0 : label + 1;
    if (label > 63) return false;
  }
  return label != 0;
}

Owned<GENERAL_SUBTREE> subtree(int type, std::string_view bytes) {
  Owned<GENERAL_SUBTREE> made(GENERAL_SUBTREE_new());
  must(made != nullptr, "GENERAL_SUBTREE_new");
  ASN1_STRING* value = ASN1_STRING_type_new(type == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING);
  must(value != nullptr && ASN1_STRING_set(value, bytes.data(), static_cast<int>(bytes.size())) == 1,
       "ASN1_STRING_set");
  GENERAL_NAME_set0_value(made->base, type, value);
  return made;
}

void push(STACK_OF(GENERAL_SUBTREE) * &to, int type, std::string_view bytes) {
  if (to == nullptr) to = sk_GENERAL_SUBTREE_new_null();
  must(to != nullptr && sk_GENERAL_SUBTREE_push(to, subtree(type, bytes).release()) > 0, "sk_GENERAL_SUBTREE_push");
}

// Empty: `wrong` names the culprit.
Owned<NAME_CONSTRAINTS> constraints(const std::vector<std::string>& names, std::string& wrong) {
  Owned<NAME_CONSTRAINTS> made(NAME_CONSTRAINTS_new());
  must(made != nullptr, "NAME_CONSTRAINTS_new");
  bool hosts = false, addresses = false;
  std::vector<std::string> seen;
  for (const std::string& given : names) {
    const std::string name = given.starts_with("*.") ? given.substr(2) : given;
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) continue;
    seen.push_back(name);
    if (const std::string bytes = address_bytes(name); !bytes.empty() && name == given) {
      push(made->permittedSubtrees, GEN_IPADD, bytes + std::string(bytes.size(), '\xff'));
      addresses = true;
    } else if (bytes.empty() && is_host_name(name)) {
      push(made->permittedSubtrees, GEN_DNS, name);
      hosts = true;
    } else {
      wrong = given;
      return nullptr;
    }
  }
  // A kind of name that no constraint speaks of would be permitted as a whole.
  if (!hosts) push(made->excludedSubtrees, GEN_DNS, "");
  if (!addresses) {
    push(made->excludedSubtrees, GEN_IPADD, std::string(8, '\0'));
    push(made->excludedSubtrees, GEN_IPADD, std::string(32, '\0'));
  }
  return made;
}

void set_names_and_life(X509* x, const NewAuthority& wanted) {
  const Owned<BIGNUM> serial(BN_new());
  must(serial != nullptr && BN_rand(serial.get(), 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
           BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(x)) != nullptr,
       "BN_rand");
  must(ASN1_TIME_set(X509_getm_notBefore(x), wanted.now - kAuthorityBackdated) != nullptr &&
           ASN1_TIME_set(X509_getm_notAfter(x), wanted.now + wanted.lifetime) != nullptr,
       "ASN1_TIME_set");
  X509_NAME* name = X509_get_subject_name(x);
  for (const auto& [field, text] :
       {std::pair<const char*, std::string>{"O", "postern"}, {"CN", "postern local CA " + wanted.label}}) {
    must(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(text.data()),
                                    static_cast<int>(text.size()), -1, 0) == 1,
         "X509_NAME_add_entry_by_txt");
  }
  must(X509_set_issuer_name(x, name) == 1, "X509_set_issuer_name");
}

void add_extensions(X509* x, NAME_CONSTRAINTS* confined) {
  constexpr struct {
    int what;
    const char* text;
  } kRows[] = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
               {NID_key_usage, "critical,keyCertSign,cRLSign"},
               {NID_subject_key_identifier, "hash"},
               {NID_authority_key_identifier, "keyid:always"}};
  X509V3_CTX context;
  X509V3_set_ctx(&context, x, x, nullptr, nullptr, 0);
  X509V3_set_ctx_nodb(&context);
  for (const auto& row : kRows) {
    X509_EXTENSION* made = X509V3_EXT_conf_nid(nullptr, &context, row.what, row.text);
    must(made != nullptr && X509_add_ext(x, made, -1) == 1, row.text);
    X509_EXTENSION_free(made);
  }
  must(X509_add1_ext_i2d(x, NID_name_constraints, confined, 1, 0) == 1, "X509_add1_ext_i2d");
}

std::string pem_of(X509* x) {
  const Owned<BIO> memory(BIO_new(BIO_s_mem()));
  must(memory != nullptr && PEM_write_bio_X509(memory.get(), x) == 1, "PEM_write_bio_X509");
  const char* bytes = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

Secret key_bytes(EVP_PKEY* key) {
  const Owned<PKCS8_PRIV_KEY_INFO> info(EVP_PKEY2PKCS8(key));
  const int size = info == nullptr ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info.get(), nullptr);
  must(size > 0, "EVP_PKEY2PKCS8");
  return Secret::make(static_cast<std::size_t>(size), [&](char* data) {
    auto* to = reinterpret_cast<unsigned char*>(data);
    must(i2d_PKCS8_PRIV_KEY_INFO(info.get(), &to) == size, "i2d_PKCS8_PRIV_KEY_INFO");
  });
}

std::string fingerprint_of(X509* x) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  must(X509_digest(x, EVP_sha256(), digest, &size) == 1, "X509_digest");
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    constexpr char kHex[] = "0123456789ABCDEF";
    if (i != 0) text.push_back(':');
    text.push_back(kHex[digest[i] >> 4]);
    text.push_back(kHex[digest[i] & 15]);
  }
  return text;
}

// Without one OpenSSL would ask at the terminal.
int no_passphrase(char* /*to*/, int /*size*/, int /*writing*/, void* /*unused*/) {
  return 0;
}

std::int64_t seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? static_cast<std::int64_t>(::timegm(&parts)) : 0;
}

}  // namespace

Result<AuthorityBytes> Authority::create(const NewAuthority& wanted) {
  const auto invalid = [](std::string why) { return fail(Error::Code::invalid, std::move(why)); };
  if (wanted.label.empty() || wanted.label.size() > kLongestLabel ||
      wanted.label.find_first_not_of(kLetters) != std::string::npos) {
    return invalid("a local CA's label is 1 to 40 letters, digits, '-' and '_'");
  }
  if (wanted.lifetime < 86'400 || wanted.lifetime > kLongestLife)
    return invalid("a local CA lives for a day at least and for ten years at most");
  if (wanted.names.empty())
    return invalid("a local CA needs the hosts it may speak for: opt hosts in with intercept.hosts first");
  std::string wrong;
  const Owned<NAME_CONSTRAINTS> confined = constraints(wanted.names, wrong);
  if (confined == nullptr) {
    return invalid("a local CA cannot be confined to '" + wrong +
                   "': it takes host names of two labels or more, '*.' before them, and addresses");
  }
  const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  const Owned<X509> x(X509_new());
  must(key != nullptr && x != nullptr && X509_set_version(x.get(), X509_VERSION_3) == 1 &&
           X509_set_pubkey(x.get(), key.get()) == 1,
       "EVP_EC_gen");
  set_names_and_life(x.get(), wanted);
  add_extensions(x.get(), confined.get());
  must(X509_sign(x.get(), key.get(), EVP_sha256()) != 0, "X509_sign");
  return AuthorityBytes{pem_of(x.get()), key_bytes(key.get())};
}

Result<std::shared_ptr<const Authority>> Authority::open(std::string_view certificate, std::string_view key) {
  return read(certificate, &key);
}

Result<std::shared_ptr<const Authority>> Authority::look(std::string_view certificate) {
  return read(certificate, nullptr);
}

Result<std::shared_ptr<const Authority>> Authority::read(std::string_view certificate, const std::string_view* key) {
  const std::shared_ptr<Authority> opened(new Authority);
  std::string wrong = opened->read_certificate(certificate);
  if (wrong.empty() && key != nullptr) wrong = opened->read_key(*key);
  if (wrong.empty()) wrong = opened->read_constraints();
  ERR_clear_error();
  if (!wrong.empty()) return fail(Error::Code::invalid, "the local CA cannot be used: " + wrong);
  return opened;
}

Authority::~Authority() {
  X509_free(x509_);
  EVP_PKEY_free(key_);
}

std::string Authority::read_certificate(std::string_view pem) {
  const Owned<BIO> memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  x509_ = memory == nullptr ? nullptr : PEM_read_bio_X509(memory.get(), nullptr, no_passphrase, nullptr);
  if (x509_ == nullptr) return "its certificate is no PEM certificate";
  if (X509_check_ca(x509_) != 1 || (X509_get_key_usage(x509_) & KU_KEY_CERT_SIGN) == 0)
    return "its certificate is not one of an authority";
  certificate_ = pem_of(x509_);
  fingerprint_ = fingerprint_of(x509_);
  not_before_ = seconds_of(X509_get0_notBefore(x509_));
  not_after_ = seconds_of(X509_get0_notAfter(x509_));
  const X509_NAME* name = X509_get_subject_name(x509_);
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at < 0) return "its certificate has no name";
  const ASN1_STRING* text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
  subject_.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                  static_cast<std::size_t>(ASN1_STRING_length(text)));
  return {};
}

std::string Authority::read_key(std::string_view der) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  const Owned<PKCS8_PRIV_KEY_INFO> info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &bytes, static_cast<long>(der.size())));
  key_ = info == nullptr ? nullptr : EVP_PKCS82PKEY(info.get());
  if (key_ == nullptr) return "its key is no PKCS #8 key";
  return X509_check_private_key(x509_, key_) == 1 ? std::string() : "its key belongs to another certificate";
}

std::string Authority::read_constraints() {
  int critical = 0;
  const Owned<NAME_CONSTRAINTS> confined(
      static_cast<NAME_CONSTRAINTS*>(X509_get_ext_d2i(x509_, NID_name_constraints, &critical, nullptr)));
  if (confined == nullptr || critical != 1 || sk_GENERAL_SUBTREE_num(confined->permittedSubtrees) <= 0)
    return "its certificate has no critical name constraints";
  for (int i = 0; i < sk_GENERAL_SUBTREE_num(confined->permittedSubtrees); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_SUBTREE_value(confined->permittedSubtrees, i)->base;
    int type = 0;
    const auto* value = static_cast<const ASN1_STRING*>(GENERAL_NAME_get0_value(name, &type));
    const std::string bytes(
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
        type == GEN_DNS || type == GEN_IPADD ? static_cast<std::size_t>(ASN1_STRING_length(value)) : 0);
    const std::size_t half = bytes.size() / 2;
    if (type == GEN_DNS && is_host_name(bytes))
      names_.push_back(bytes);
    else if (type == GEN_IPADD && (half == 4 || half == 16) && bytes.substr(half) == std::string(half, '\xff'))
      names_.push_back(address_text(bytes.substr(0, half)));
    else
      return "its certificate is confined to something else than hosts and addresses";
  }
  return {};
}

bool Authority::permits(std::string_view host) const {
  const std::string bytes = address_bytes(std::string(host));
  const std::string address = bytes.empty() ? std::string() : address_text(bytes);
  return std::any_of(names_.begin(), names_.end(), [&](const std::string& name) {
    if (!bytes.empty()) return name == address;
    return host == name ||
           (host.size() > name.size() && host.ends_with(name) && host[host.size() - name.size() - 1] == '.');
  });
}

}  // namespace postern::vault
